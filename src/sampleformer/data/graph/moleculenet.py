"""MoleculeNet: measured properties of molecules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sampleformer.data.download import Download
from sampleformer.data.graph.smiles import SmilesTable
from sampleformer.errors import InputError, nearest
from sampleformer.tables.table import Table, read_table
from sampleformer.tasks import MultiLabel, Regression

_ADDRESSES = (
    "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/{}",
    "https://deepchemdata.s3.us-west-1.amazonaws.com/datasets/{}",
    "https://s3-us-west-1.amazonaws.com/deepchemdata/datasets/{}",
)


@dataclass(frozen=True)
class _Property:
    """One of the sets.

    Args:
        file: its name at the addresses.
        labels: target columns; None: all but those of the molecule.
        sha256: of the file; None: not known.
        md5: of the file, where that is what is known.
        smiles: column of the molecules.
        regression: numbers are predicted, and not classes.
    """

    file: str
    labels: tuple[str, ...] | None
    sha256: str | None = None
    smiles: str = "smiles"
    regression: bool = False
    md5: str | None = None


PROPERTIES = {
    "bbbp": _Property("BBBP.csv", ("p_np",), "d07a38487aeac5cee5508413e468043ef3097451d2a112701c2d60be9ec6b662"),
    "bace": _Property(
        "bace.csv", ("Class",), "f3fb9ce90bada3e2bd6148b0df13f8f8145a357bf87df0dd5b391ede974fc737", "mol"
    ),
    "hiv": _Property("HIV.csv", ("HIV_active",), "9ffa7fe57dc86c342627ee1d5255e937e2ab812393c73c4d16c697022f6e1d22"),
    "tox21": _Property("tox21.csv.gz", None, "45d09792492ce049039dd24aa27b07fc79ce20c573187d4d90bcd178c0c0d360"),
    "clintox": _Property("clintox.csv.gz", ("FDA_APPROVED", "CT_TOX"), md5="db4f2df08be8ae92814e9d6a2d015284"),
    "sider": _Property("sider.csv.gz", None, md5="77c0ef421f7cc8ce963c5836c8761fd2"),
    "toxcast": _Property("toxcast_data.csv.gz", None, md5="92911bbf9c1e2ad85231014859388cd6"),
    "muv": _Property("muv.csv.gz", None, md5="9c40bd41310991efd40f4d4868fa3ddf"),
    "pcba": _Property("pcba.csv.gz", None),
    "esol": _Property(
        "delaney-processed.csv",
        ("measured log solubility in mols per litre",),
        "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
        regression=True,
    ),
    "freesolv": _Property(
        "SAMPL.csv", ("expt",), "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72", regression=True
    ),
    "lipophilicity": _Property(
        "Lipophilicity.csv",
        ("exp",),
        "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
        regression=True,
    ),
}
_OF_MOLECULES = ("mol_id",)


class MoleculeNet(SmilesTable):
    """Measured properties of molecules, by default split by scaffold as MoleculeNet does.

    The sets with classes are several labels in one, of which some may be unknown: the score is the mean AUROC
    (for muv and pcba, where few molecules are active, the area under the precision-recall curve).
    "MoleculeNet: A Benchmark for Molecular Machine Learning" (arXiv 1703.00564).

    Args:
        property: bbbp, bace, hiv, tox21, clintox, sider, toxcast, muv, pcba, esol, freesolv or lipophilicity.
        path: its table. None: it is downloaded.
        identifiers, laplacian, random_walk: what tells atoms apart beside what they are, see `Places`.
        split: "scaffold" or "random".
        task: Name of another task in `TASKS`, such as "masked". None: the set's own.
        limit: use at most so many molecules of each split.
        seed: seed of the split and of the choice of rows.
        on_error: "skip" and count molecules that RDKit cannot read, as is published practice, or "stop".
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    def __init__(
        self,
        property: str,
        path: str | None = None,
        identifiers: int = 32,
        laplacian: int = 0,
        random_walk: int = 0,
        split: str = "scaffold",
        task: str | None = None,
        limit: int | None = None,
        seed: int = 0,
        on_error: str = "skip",
        cache: str | None = None,
    ) -> None:
        if property not in PROPERTIES:
            raise InputError(f"property: found {property!r}; {nearest(property, PROPERTIES)}")
        self.property = PROPERTIES[property]
        super().__init__(
            path or self.property.file,
            smiles=self.property.smiles,
            label=list(self.property.labels or [property]),
            identifiers=identifiers,
            laplacian=laplacian,
            random_walk=random_walk,
            split=split,
            task=task or (Regression if self.property.regression else MultiLabel).name,
            limit=limit,
            seed=seed,
            on_error=on_error,
        )
        self.given = path
        self.cache = cache

    def prepare(self) -> Path:
        """Downloads the table, unless a path was given or it is in the cache.

        Returns:
            The table to read.
        """
        if self.given is not None:
            return Path(self.given)
        file, addresses = self.property.file, [address.format(self.property.file) for address in _ADDRESSES]
        return Download(file, addresses, self.property.sha256, self.property.md5).fetch(self.cache)

    def read(self) -> Table:
        table = read_table(self.prepare(), self.on_error)
        if self.property.labels is None:
            self.labels = [name for name in table.columns if name not in (self.smiles, *_OF_MOLECULES)]
        return table
