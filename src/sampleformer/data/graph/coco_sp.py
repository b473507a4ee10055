"""COCO-SP of the Long Range Graph Benchmark."""

from sampleformer.data.download import Download
from sampleformer.data.graph.superpixels import Superpixels


class CocoSp(Superpixels):
    """123 286 images of MS COCO as graphs of some 477 superpixels: which of 81 classes each is on; macro F1.

    "Long Range Graph Benchmark" (arXiv 2206.08164, section 3.2); SLIC compactness 30, region boundary graph. Takes some
    30 GB of memory; `limit` takes less. Classes are named by their published numbers.

    Args:
        path: the published .zip, or the folder it unpacks to. None: it is downloaded.
        identifiers, laplacian, random_walk: what tells nodes apart beside what they carry, see `Places`.
        limit: use at most so many graphs of each split.
        cache: folder for the download. None: ``SAMPLEFORMER_CACHE``, else the user's cache folder.
    """

    archive = Download("cocosp.zip", ("https://www.dropbox.com/s/r6ihg1f4pmyjjy0/cocosp.zip?dl=1",))
    folder = "coco_superpixels_edge_wt_region_boundary"
    classes = tuple(number for number in range(91) if number not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83})
    labels = tuple(map(str, classes))
