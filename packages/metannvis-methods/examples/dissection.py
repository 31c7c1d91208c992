"""What the units of two networks stand for: one with planted units, and the same one that sees no red."""

from __future__ import annotations

from metannvis_methods import Segmentations, dissect
from metannvis_methods.examples import concepts
from metannvis_plot import plot
from shared import parser as parser_of


def main() -> None:
    """Write the figures and the tables."""
    parser = parser_of(__doc__, "dissection.png")
    parser.add_argument("--pictures", type=int, default=60, help="pictures of coloured shapes")
    arguments = parser.parse_args()
    known = concepts.shapes(0, count=arguments.pictures)
    masks = Segmentations(known.masks, known.names, known.categories)

    whole, blind = concepts.torch_planted(), concepts.torch_planted()
    blind.filters.weight.data[:, 0] = 0
    found = [dissect(model, ["units", "deep"], known.images, masks) for model in (whole, blind)]
    output = arguments.output
    plot(found[0], path=output)
    plot(found[0], kind="units", max_units=6, path=output.with_stem(f"{output.stem}_units"))
    apart = found[0].compare(found[1], ("whole", "without red"))
    plot(apart, path=output.with_stem(f"{output.stem}_two"))

    for row in found[0].table():
        note = "" if row["detector"] else "  (no detector)"
        print(f"{row['layer']:6} {row['unit']}  {row['concept']:15} {row['iou']:.3f}{note}")
    print(apart)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
