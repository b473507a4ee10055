"""PascalVOC-SP of the Long Range Graph Benchmark."""

from sampleformer.data.download import Download
from sampleformer.data.graph.superpixels import Superpixels


class PascalVocSp(Superpixels):
    """11 355 images of PASCAL VOC as graphs of some 479 superpixels: which of 21 classes each is on; macro F1.

    "Long Range Graph Benchmark" (arXiv 2206.08164, section 3.2); SLIC compactness 30, region boundary graph.

    Args:
        path: the published .zip, or the folder it unpacks to. None: it is downloaded.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        limit: use at most so many graphs of each split.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    archive = Download(
        "pascalvocsp.zip",
        (
            "https://www.dropbox.com/s/8x722ai272wqwl4/pascalvocsp.zip?dl=1",
            "https://zenodo.org/records/6975830/files/voc_superpixels_edge_wt_region_boundary.zip?download=1",
        ),
    )
    folder = "voc_superpixels_edge_wt_region_boundary"
    classes = tuple(range(21))
    labels = (
        *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
        *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
    )
