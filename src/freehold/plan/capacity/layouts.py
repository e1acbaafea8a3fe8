"""Which ways of laying a model on so many GPUs are possible; choosing among them is predict's business."""

from collections.abc import Iterator

from freehold.catalog.facts import Gpu
from freehold.rules.steptime.layout import Layout
from freehold.rules.steptime.work import Work

# Tensor groups wider than this are not published for one copy, and wider pipelines neither.
WIDEST, DEEPEST = 16, 8


def layouts(work: Work, gpu: Gpu, count: int) -> Iterator[Layout]:
    """Layouts of at most `count` GPUs, as many copies of each as there is room for. Memory is not looked at.

    Groups are powers of two. Tensor and expert groups stay inside one node; without NVLink or its like a tensor group is at
    most two cards wide, because all-reduces over PCIe are slow and two share a switch. Pipelines may be as long as they like.
    """
    for tensor in _powers(min(count, gpu.gpus_per_node if gpu.interconnect_gb_s_per_dir else 2, WIDEST)):
        if work.heads % tensor == 0:
            for pipeline in _powers(min(count // tensor, DEEPEST, work.layers)):
                yield Layout(tensor=tensor, pipeline=pipeline, replicas=count // (tensor * pipeline))
    if work.experts:
        for data in _powers(min(count, gpu.gpus_per_node, WIDEST, work.experts)):
            if data > 1:
                yield Layout(data=data, expert=data, replicas=count // data)


def _powers(most: int) -> Iterator[int]:
    size = 1
    while size <= most:
        yield size
        size *= 2
