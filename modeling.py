"""Doorway: the RecursiveLinks."""

from recursivemas.links import (
    INNER_VARIANTS,
    OUTER_VARIANTS,
    InnerLink,
    OuterLink,
    load_inner_link,
    load_outer_link,
    save_link,
)
from recursivemas.published.links import (
    INNER_ADAPTER_TYPE,
    OUTER_ADAPTER_TYPE,
    Adapter,
    CrossModelAdapter,
    infer_inner_adapter_type_from_state_dict,
    infer_outer_adapter_type_from_state_dict,
    normalize_inner_adapter_type,
    normalize_outer_adapter_type,
    resolve_local_pretrained_path,
)

__all__ = [
    "INNER_ADAPTER_TYPE",
    "INNER_VARIANTS",
    "OUTER_ADAPTER_TYPE",
    "OUTER_VARIANTS",
    "Adapter",
    "CrossModelAdapter",
    "InnerLink",
    "OuterLink",
    "infer_inner_adapter_type_from_state_dict",
    "infer_outer_adapter_type_from_state_dict",
    "load_inner_link",
    "load_outer_link",
    "normalize_inner_adapter_type",
    "normalize_outer_adapter_type",
    "resolve_local_pretrained_path",
    "save_link",
]
