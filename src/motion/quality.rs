use super::refine::Refine;
use super::search::Search;
use crate::Size;
use crate::named::named;

/// How much work is put into finding motion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Quality {
    /// On a quarter of the frame's width and height: less than a quarter of the time. States moved along
    /// it are about as steady.
    #[default]
    Fast,
    /// On half of the frame's width and height.
    Balanced,
    /// On half of the frame's width and height, with more patches and more refinement: about one and a
    /// half times the time.
    Fine,
}

named!(Quality, "motion quality", Fast: "fast", Balanced: "balanced", Fine: "fine");

/// Pixels up to which a frame is looked at twice as closely: there is time enough, and what moves in
/// it is small. The one for fast, the other for the rest.
const SMALL: [usize; 2] = [640 * 360, 320 * 240];

/// Pixels from which on a frame is made smaller still.
const LARGE: usize = 960 * 600;

impl Quality {
    /// Pixels of the frame along each side of a cell of the finest grid.
    pub(super) fn factor(self, size: Size) -> usize {
        let (factor, small) = match self {
            Self::Fast => (4, SMALL[0]),
            Self::Balanced | Self::Fine => (2, SMALL[1]),
        };
        if size.pixels() <= small {
            return factor / 2;
        }
        let mut factor = factor;
        while size.pixels() / (factor * factor) > LARGE {
            factor *= 2;
        }
        factor
    }

    /// What is done at a level; 0 is the finest.
    pub(super) fn level(self, level: usize) -> (Search, Refine) {
        let (search, refine) = match (self, level) {
            (Self::Fast | Self::Balanced, 0) => ((5, 4, 0), (7, 2)),
            (Self::Fine, 0) => ((3, 8, 0), (10, 4)),
            (Self::Fast | Self::Balanced, 1) => ((4, 8, 2), (6, 2)),
            (Self::Fine, 1) => ((3, 8, 4), (8, 4)),
            (_, _) => ((3, 8, 4), (6, 2)),
        };
        let (stride, iterations, passes) = search;
        let (rounds, sweeps) = refine;
        (
            Search {
                stride,
                iterations,
                passes,
            },
            Refine { rounds, sweeps },
        )
    }

    /// What is done at a level to find the way back, which only the confidence needs.
    pub(super) fn back() -> Search {
        Search {
            stride: 4,
            iterations: 4,
            passes: 0,
        }
    }
}
