"""One of two processes of tests/test_shared_prefix_sharded.py: the gradients of packs with FSDP2's `fully_shard`, against a whole model's.

RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are set. Differences are relative, in the norm of all gradients.
"""

from __future__ import annotations

import json

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from tests.test_shared_prefix import FAMILIES, some_examples, together


def off(name: str, policy: MixedPrecisionPolicy) -> float:
    """Each process reads half of the examples, in layers that are checkpointed and sharded; gradients are averaged."""
    examples = some_examples()
    whole, model = FAMILIES[name](), FAMILIES[name]()
    expected: dict[str, torch.Tensor] = {}
    for part in (examples[0::2], examples[1::2]):
        for key, gradient in together(whole, part)[1].items():
            expected[key] = expected.get(key, torch.zeros_like(gradient)) + gradient / 2
    mesh = init_device_mesh("cpu", (2,))
    model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    _, found = together(model, examples[dist.get_rank() :: 2])
    assert found.keys() == expected.keys() and all(isinstance(gradient, DTensor) for gradient in found.values())
    whole_norm = torch.cat([gradient.flatten() for gradient in expected.values()]).norm()
    return float(torch.cat([(found[key].full_tensor() - expected[key]).flatten() for key in expected]).norm() / whole_norm)


def main() -> None:
    """Prints the number of processes and the differences in single and in half precision."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    half = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    found = {name: [off(name, MixedPrecisionPolicy()), off(name, half)] for name in ("Qwen2", "Gemma2 (softcap, window)")}
    if dist.get_rank() == 0:
        print(json.dumps({"processes": dist.get_world_size(), "off": found}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
