"""What the ranks of one program tell each other: of a batch that they share, and of samples whose tokens they share.

`shared_batch` has sums over the ranks that share a batch, `streams` the random numbers of its chunks; `token_shards`
says that each rank holds some tokens of every sample, `cutting` which, and `edge_halo` which edges; `over_shards` has
what functions of all tokens are made of then. All of them do nothing where a process is alone.
"""

from sampleformer.distributed.cutting import gather_tokens, shard_tokens
from sampleformer.distributed.edge_halo import shard_edges
from sampleformer.distributed.token_shards import Shard, token_parallel

__all__ = ["Shard", "gather_tokens", "shard_edges", "shard_tokens", "token_parallel"]
