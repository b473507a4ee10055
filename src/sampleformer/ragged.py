"""Sets of unequal sizes whose members are listed one after the other, as PyTorch Geometric has graphs."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int64, Shaped
from torch import Tensor

from sampleformer.errors import InputError


@dataclass(frozen=True)
class Ragged:
    """Set of each member, and its place there.

    Args:
        sets: Index of the set of each member, shape ``(N,)``.
        places: Place of each member in its set, shape ``(N,)``; members keep their order.
        sizes: Number of members of each set, shape ``(b,)``.

    Example:
        >>> ragged = Ragged.of(torch.tensor([0, 0, 1]), 3)
        >>> ragged.padded(torch.tensor([5, 6, 7]))
        tensor([[5, 6],
                [7, 0]])
    """

    sets: Int64[Tensor, " N"]
    places: Int64[Tensor, " N"]
    sizes: Int64[Tensor, " b"]

    @classmethod
    def of(
        cls, batch: Tensor | None, members: int, sets: int | None = None, device: torch.device | str | None = None
    ) -> "Ragged":
        """Layout that a vector of set indices gives, as the ``batch`` of PyTorch Geometric.

        Args:
            batch: Index of the set of each member, in any order. None: all are of one set.
            members: N.
            sets: Number of sets, more than the largest index. None: one more than that.
            device: Device of the layout, where there is no batch.

        Raises:
            InputError: if the batch is no vector of N indices, or one is negative or too large.
        """
        if batch is None:
            zeros = torch.zeros(members, dtype=torch.int64, device=device)
            return cls(zeros, torch.arange(members, device=device), torch.tensor([members], device=device))
        if batch.ndim != 1 or batch.shape[0] != members or batch.dtype != torch.int64:
            raise InputError(
                f"batch has shape {tuple(batch.shape)} and dtype {batch.dtype}, expected ({members},) and torch.int64"
            )
        least, most = (int(batch.min()), int(batch.max())) if members else (0, -1)
        if least < 0 or (sets is not None and most >= sets):
            limit = "" if sets is None else f" and less than {sets}, the number of sets"
            raise InputError(f"batch holds {least if least < 0 else most}, expected at least 0{limit}")
        sizes = torch.bincount(batch, minlength=most + 1 if sets is None else sets)
        order = batch.argsort(stable=True)
        starts = sizes.cumsum(0) - sizes
        places = torch.empty_like(batch)
        places[order] = torch.arange(members, device=batch.device) - starts[batch[order]]
        return cls(batch, places, sizes)

    @property
    def longest(self) -> int:
        """Members of the largest set."""
        return int(self.sizes.max()) if len(self.sizes) else 0

    def padded(self, values: Shaped[Tensor, "N *rest"]) -> Shaped[Tensor, "b n *rest"]:
        """Values of the members by set, with zeros where a set has fewer than the largest."""
        result = values.new_zeros(len(self.sizes), self.longest, *values.shape[1:])
        return result.index_put((self.sets, self.places), values)

    def mask(self) -> Bool[Tensor, "b n"] | None:
        """True where a padded place has a member; None if all have."""
        longest = self.longest
        if len(self.sizes) == 0 or bool((self.sizes == longest).all()):
            return None
        return torch.arange(longest, device=self.sizes.device) < self.sizes[:, None]

    def rows(self, padded: Shaped[Tensor, "b n *rest"]) -> Shaped[Tensor, "N *rest"]:
        """Members again, in their order."""
        return padded[self.sets, self.places]

    def only(self, sets: Sequence[int]) -> tuple["Ragged", Int64[Tensor, " M"]]:
        """Some of the sets, in this order, and the indices of their members."""
        wanted = torch.tensor(sets, device=self.sets.device)
        number = torch.full_like(self.sizes, -1)
        number[wanted] = torch.arange(len(sets), device=wanted.device)
        of_members = number[self.sets]
        members = (of_members >= 0).nonzero()[:, 0]
        return Ragged(of_members[members], self.places[members], self.sizes[wanted]), members


def by_size(sizes: Sequence[int]) -> list[list[int]]:
    """Indices of sets of similar sizes together: more than half of the largest of them; empty sets are left out.

    Padded to the largest of its group, no set takes more than twice its size, in as many groups as powers of two.

    Example:
        >>> by_size([5, 4000, 8, 0, 3])
        [[4], [0, 2], [1]]
    """
    groups: dict[int, list[int]] = {}
    for index, size in enumerate(sizes):
        if size:
            groups.setdefault((size - 1).bit_length(), []).append(index)
    return [groups[power] for power in sorted(groups)]
