//! Sizes of automata that have proved themselves.

use nca::model::{Architecture, Blur, Border, FilterScale, Painter, Playback, Source};

/// What an automaton is like, how it is run, and what it is trained on.
#[derive(Clone, Debug, PartialEq)]
pub struct Preset {
    /// Name that people use.
    pub name: &'static str,
    /// What it is.
    pub architecture: Architecture,
    /// How it is run.
    pub playback: Playback,
}

impl Preset {
    /// Names of all.
    pub const NAMES: [&str; 5] = ["live", "fine", "pixel-live", "pixel-fine", "notebook"];

    /// The preset of this name.
    pub fn named(name: &str) -> Option<Self> {
        let small = |channels, hidden, blurs| Architecture {
            channels,
            source: Source::Rgb,
            hidden,
            border: Border::Replicate,
            // The filters' responses are of the size of the values themselves.
            filter_scale: FilterScale {
                sobel: 0.125,
                laplacian: 0.0625,
            },
            blurs,
            step_size: 1.0,
            cell: 1,
            painter: None,
        };
        let blur = |channel, size, sigma| Blur {
            channel,
            size,
            sigma,
        };
        let cells = |cell, hidden, painter: [usize; 2]| Architecture {
            source: Source::RgbStructureTensor,
            cell,
            painter: Some(Painter {
                hidden: painter.to_vec(),
            }),
            ..small(22, vec![hidden], Vec::new())
        };
        match name {
            // At most 1,500 multiply-adds a pixel and frame.
            "live" => Some(Self {
                name: "live",
                architecture: cells(4, 64, [16, 16]),
                playback: Playback {
                    warmup: 48,
                    steps: 2,
                },
            }),
            // At most 10,000.
            "fine" => Some(Self {
                name: "fine",
                architecture: cells(2, 96, [32, 32]),
                playback: Playback {
                    warmup: 48,
                    steps: 2,
                },
            }),
            // Without cells, and as fast as the picture is large: 1280x720 on a laptop's processor.
            "pixel-live" => Some(Self {
                name: "pixel-live",
                architecture: small(12, vec![32], vec![blur(11, 7, 2.0)]),
                playback: Playback {
                    warmup: 24,
                    steps: 2,
                },
            }),
            // More of everything, for files and graphics cards.
            "pixel-fine" => Some(Self {
                name: "pixel-fine",
                architecture: small(16, vec![80], vec![blur(14, 15, 4.0), blur(15, 7, 2.0)]),
                playback: Playback {
                    warmup: 32,
                    steps: 3,
                },
            }),
            // The published training notebooks'.
            "notebook" => Some(Self {
                name: "notebook",
                architecture: Architecture::notebook(),
                playback: Playback::default(),
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_can_be_run() {
        for name in Preset::NAMES {
            let preset = Preset::named(name).unwrap();
            assert_eq!(preset.name, name);
            preset.architecture.validate().unwrap();
        }
    }

    #[test]
    fn those_with_a_painter_keep_to_their_work() {
        for (name, most) in [("live", 1_500), ("fine", 10_000)] {
            let Preset {
                architecture,
                playback,
                ..
            } = Preset::named(name).unwrap();
            let work = architecture.work(playback.steps);
            assert!(work <= most, "{name}: {work}");
        }
    }
}
