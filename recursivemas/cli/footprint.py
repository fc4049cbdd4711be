"""What a run will take, told before any weights are there: what to download and to hold, and what fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from recursivemas.agents.computing import Placement
from recursivemas.agents.load import resolve_devices, resolve_dtype
from recursivemas.agents.memory import held_dtype, weight_bytes
from recursivemas.agents.offload import Weights, choose_offload
from recursivemas.errors import UserError
from recursivemas.output.sizes import format_size, format_sizes
from recursivemas.output.tables import format_table
from recursivemas.recursion.memory import LoadedModel, MemoryPlan, longest_prompts, plan_memory
from recursivemas.release.resolve import ReleaseFiles
from recursivemas.runs.prepare import PreparedRun
from recursivemas.settings import AUTO

NOT_HERE = torch.device("meta")
"""In place of a device that this machine does not have."""


def describe_files(paths: ReleaseFiles) -> str:
    missing = sum(size for path, size in paths.sizes.items() if not path.is_file())
    told = format_sizes([sum(paths.sizes.values()), missing])
    return f"files: {told[0]}, of which {told[1]} still to download"


def describe_memory(run: PreparedRun) -> Iterator[str]:
    """What each agent's weights and longest row take, and what fits on each device.

    Raises UserError where models, questions or prompts cannot be looked up.
    """
    plan = read_plan(run)
    sizes = [[one.model.weights, one.cache, one.row, one.kept] for one in plan.agents]
    told = iter(format_sizes([size for row in sizes for size in row]))
    rows = [
        [one.role, next(told), str(one.prompt), str(one.positions), next(told), next(told), next(told)]
        for one in plan.agents
    ]
    headings = ["agent", "weights", "longest prompt", "longest row", "its cache", "with its work", "kept"]
    yield format_table(headings, rows)
    for device in plan.free:
        yield _describe_device(plan, device, run.settings.model.device)
    yield _describe_offload(run, plan)
    size = plan.batch_size(len(run.questions))
    yield (
        "--batch_size auto cannot be told here: it needs to know what is free"
        if size is None
        else f"--batch_size auto would take {size}; set is {run.settings.solve.batch_size}"
    )


def read_plan(run: PreparedRun) -> MemoryPlan:
    """The plan of a run's memory, from configurations and the longest questions' prompts."""
    settings, outlines = run.settings, run.outlines
    dtype = resolve_dtype(settings.model.dtype)
    try:
        devices: dict[str, Placement] = resolve_devices(settings.model.device, run.style)
    except UserError:  # told where devices are
        devices = dict.fromkeys(run.style.roles, NOT_HERE)
    models = {
        role: LoadedModel(
            device=devices[role],
            name=str(files.model_dir.resolve()),
            weights=weight_bytes(
                outlines[role],
                dtype=dtype,
                quantization=settings.model.quantization,
                stored_bytes=run.files.weight_bytes(role),
            ),
            config=outlines[role].config,
            dtype=held_dtype(outlines[role].config, dtype),
            eager=settings.model.attn == "eager",
            static=_is_static(settings.model.static_cache, devices[role]),
        )
        for role, files in run.files.agents.items()
    }
    tokenizers: dict[str, Any] = {role: outline.tokenizer for role, outline in outlines.items()}
    prompts = longest_prompts(run.style, tokenizers, run.prompts, settings.solve, run.toolbox, run.questions)
    moving = choose_offload(settings.model.offload, _weights(run, models))
    return plan_memory(run.style, models, prompts, settings.solve, moving, loaded=False)


def _is_static(static_cache: str, device: Placement) -> bool:
    """Whether a model's steps are to be static; whether they can be shows when it is there."""
    on_cuda = isinstance(device, torch.device) and device.type == "cuda"
    return static_cache == "on" or (static_cache == AUTO and on_cuda)


def _weights(run: PreparedRun, models: Mapping[str, LoadedModel]) -> list[Weights]:
    """Those of models, by role, as far as moving them goes."""
    quantized = run.settings.model.quantization is not None
    return [
        Weights(
            device=one.device,
            name=one.name,
            num_bytes=one.weights,
            movable=not quantized and not run.outlines[role].quantized,
        )
        for role, one in models.items()
    ]


def _describe_offload(run: PreparedRun, plan: MemoryPlan) -> str:
    """What `--offload auto` comes to."""
    chosen = run.settings.model.offload
    if NOT_HERE in plan.free:
        return f"--offload auto cannot be told here: it needs to know what is free; set is {chosen}"
    auto = choose_offload(AUTO, _weights(run, {one.role: one.model for one in plan.agents}))
    places = {str(device): auto[device].place if device in auto else "none" for device in plan.free}
    told = (
        ", ".join(f"{place} on {device}" for device, place in places.items())
        if len(set(places.values())) > 1
        else next(iter(places.values()))
    )
    return f"--offload auto would take {told}; set is {chosen}"


def _describe_device(plan: MemoryPlan, device: Placement, name: str) -> str:
    """What of a device is free, what stands there, and how many questions fit beside it."""
    weights, free, moving = plan.weights(device), plan.free[device], plan.moving.get(device)
    where = name if device == NOT_HERE else str(device)
    held = f"{where}: {format_size(weights)} of weights"
    if moving:
        waiting = "in main memory" if moving.place == "cpu" else "on disk"
        held += f" at a time, of {format_size(sum(plan.sizes(device)))} that wait {waiting}"
    if free is None:
        return f"{held}; what is free there is not known here"
    rows = plan.rows_that_fit(device)
    if rows is None:
        return f"{held}, {format_size(free)} free; how much a row takes is not known"
    if rows == 0:
        return f"{held}, {format_size(free)} free: they do not fit there with even one question"
    kept = format_size(plan.kept(device, rows))
    return f"{held}, {format_size(free)} free: with them fit {rows} questions side by side and {kept} kept"
