"""The published names over our own objects, for notebooks and scripts that import them.

The modules at the root of a clone hand them on. Nothing in the package uses them, and here links are called
adapters, as they are in the published code.

Source: docs/protocol.md, "Published names".
"""
