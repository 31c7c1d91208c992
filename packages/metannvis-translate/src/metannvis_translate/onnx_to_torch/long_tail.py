from __future__ import annotations


def convert_long_tail(ctx, node, inputs):
    return None
