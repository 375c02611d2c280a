use serde::{Deserialize, Serialize};

/// What an automaton is, apart from its weights.
///
/// It travels in the model file as JSON, so that a new kind of automaton is new data and not a
/// fork of the code. Fields that this version does not know are refused: a model that needs them
/// would not look as trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Channels C of the state: frozen source, 3 of the output picture, hidden.
    pub channels: usize,
    /// What the frozen channels hold.
    pub source: Source,
    /// Widths of the hidden layers of the update rule, first to last.
    pub hidden: Vec<usize>,
    /// What lies beyond the picture's edge.
    #[serde(default)]
    pub border: Border,
    /// Factors on the responses of the perception filters.
    #[serde(default)]
    pub filter_scale: FilterScale,
    /// Channels of the state that are blurred in every step before the update is added.
    #[serde(default)]
    pub blurs: Vec<Blur>,
    /// Factor on the update before it is added.
    #[serde(default = "one")]
    pub step_size: f32,
    /// Pixels along each side of a cell of the state: 1, 2, 4 or 8; more than 1 only with a painter.
    #[serde(default = "one_pixel", skip_serializing_if = "is_one_pixel")]
    pub cell: usize,
    /// What makes the picture of the state; `None`: cells are pixels, and three of the channels are
    /// the picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub painter: Option<Painter>,
}

/// A small network that paints the cells' state at the frame's size while looking at the frame.
///
/// It is applied once a frame at every pixel. What it is given: the updated channels, sampled
/// bilinearly at the pixel; the frame minus 0.5; twice the frame minus the frame as the cells see it,
/// sampled. A leaky rectifier (0.1) follows on each hidden layer. The three outputs are added to the
/// sampled channels of the output picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Painter {
    /// Widths of the hidden layers, first to last.
    pub hidden: Vec<usize>,
}

impl Painter {
    /// Most hidden layers that are accepted.
    pub const MAX_HIDDEN_LAYERS: usize = 2;
    /// Widest hidden layer that is accepted.
    pub const MAX_HIDDEN: usize = 48;
    /// Values that it sees of the frame: its three colours, and how they differ from the cells'.
    pub const OF_FRAME: usize = 6;
    /// Slope of the rectifier below zero.
    pub const LEAK: f32 = 0.1;
}

/// What the frozen channels hold, in [-0.5, 0.5].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The frame's RGB: 3 channels.
    Rgb,
    /// RGB and, for shifts of 2, 3 and 4 pixels, two channels of shuffled, shifted, halved grey:
    /// 9 channels.
    ShiftShuffle,
    /// RGB and what edges do in the cell: the cosine and the sine of twice their direction, the more
    /// the more they agree, and how strong they are: 6 channels.
    RgbStructureTensor,
}

impl Source {
    /// Number F of frozen channels.
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::ShiftShuffle => 9,
            Self::RgbStructureTensor => 6,
        }
    }
}

/// What lies beyond the picture's edge, for perception and blurs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Border {
    /// The opposite edge.
    #[default]
    Circular,
    /// The nearest pixel.
    Replicate,
}

/// Factors on the responses of the perception filters.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterScale {
    /// On both Sobel filters.
    pub sobel: f32,
    /// On the Laplacian.
    pub laplacian: f32,
}

impl Default for FilterScale {
    fn default() -> Self {
        Self {
            sobel: 1.0,
            laplacian: 1.0,
        }
    }
}

/// A channel of the state that is replaced by its Gaussian blur in every step.
///
/// The update, computed from the unblurred state, is added to the blurred channel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blur {
    /// Index of the channel in the state; never a frozen one.
    pub channel: usize,
    /// Width of the kernel in pixels; odd, at most [`Blur::MAX_SIZE`].
    pub size: usize,
    /// Standard deviation in pixels.
    pub sigma: f32,
}

impl Blur {
    /// Widest kernel that is accepted.
    pub const MAX_SIZE: usize = 31;

    /// The normalised weights of the kernel along one axis; the blur is their outer product.
    pub fn kernel(&self) -> Vec<f32> {
        let radius = (self.size / 2) as f64;
        let sigma = f64::from(self.sigma);
        let weights: Vec<f64> = (0..self.size)
            .map(|i| (-0.5 * ((i as f64 - radius) / sigma).powi(2)).exp())
            .collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|w| (w / sum) as f32).collect()
    }
}

/// Why an [`Architecture`] is refused: a clause that completes "the architecture ...".
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidArchitecture(String);

impl Architecture {
    /// Most channels that are accepted.
    pub const MAX_CHANNELS: usize = 64;
    /// Most hidden layers that are accepted.
    pub const MAX_HIDDEN_LAYERS: usize = 4;
    /// Widest hidden layer that is accepted.
    pub const MAX_HIDDEN: usize = 512;
    /// Pixels along a side of a cell that are accepted.
    pub const CELLS: [usize; 4] = [1, 2, 4, 8];
    /// Responses that perception adds to each channel: two Sobel filters and a Laplacian.
    pub const FILTERS: usize = 3;

    /// The architecture of the nine published checkpoints: 18 channels, 9 of them frozen.
    pub fn published() -> Self {
        Self {
            channels: 18,
            source: Source::ShiftShuffle,
            hidden: vec![90, 90],
            border: Border::Circular,
            filter_scale: FilterScale::default(),
            blurs: Vec::new(),
            step_size: 1.0,
            cell: 1,
            painter: None,
        }
    }

    /// The architecture of the published training notebooks: 18 channels, 3 of them frozen,
    /// blurs of 3, 7 and 15 pixels on three hidden channels.
    pub fn notebook() -> Self {
        let blur = |channel, size| Blur {
            channel,
            size,
            sigma: 2.0,
        };
        Self {
            source: Source::Rgb,
            blurs: vec![blur(16, 3), blur(15, 7), blur(14, 15)],
            ..Self::published()
        }
    }

    /// Number F of frozen channels.
    pub fn frozen(&self) -> usize {
        self.source.channels()
    }

    /// Number C - F of channels that the rule updates.
    pub fn updated(&self) -> usize {
        self.channels.saturating_sub(self.frozen())
    }

    /// Values that the rule sees of each pixel: every channel and its responses, 4C.
    pub fn perceived(&self) -> usize {
        self.channels.saturating_mul(1 + Self::FILTERS)
    }

    /// Shape of each layer of the update rule, first to last, as (outputs, inputs).
    pub fn layers(&self) -> Vec<(usize, usize)> {
        shapes(self.perceived(), &self.hidden, self.updated())
    }

    /// Shape of each layer of the painter, first to last, as (outputs, inputs); none without one.
    pub fn painter_layers(&self) -> Vec<(usize, usize)> {
        let inputs = self.updated().saturating_add(Painter::OF_FRAME);
        let painter = self.painter.as_ref();
        painter.map_or(Vec::new(), |painter| shapes(inputs, &painter.hidden, 3))
    }

    /// Multiply-adds of the update rule's layers a cell and step.
    pub fn multiply_adds(&self) -> usize {
        multiply_adds(self.layers())
    }

    /// Multiply-adds a pixel of a frame of so many steps that is then shown.
    pub fn work(&self, steps: u32) -> u64 {
        let painter = multiply_adds(self.painter_layers()) as u64;
        // Along columns and along rows.
        let blurs = self.blurs.iter().map(|blur| blur.size.saturating_mul(2));
        let blurs = blurs.fold(0, usize::saturating_add);
        let step = self.multiply_adds().saturating_add(blurs) as u64;
        let pixels = self.cell.saturating_mul(self.cell).max(1) as u64;
        let steps = step.saturating_mul(steps.into());
        steps.div_ceil(pixels).saturating_add(painter)
    }

    /// The fields that only architectures with a painter have, of those that are used.
    pub(super) fn of_painters(&self) -> impl Iterator<Item = &'static str> {
        let used = [
            ("cell", self.cell != 1),
            ("painter", self.painter.is_some()),
            (
                "source rgb-structure-tensor",
                self.source == Source::RgbStructureTensor,
            ),
        ];
        used.into_iter()
            .filter_map(|(name, is_used)| is_used.then_some(name))
    }

    /// Checks that the architecture can be run; every accepted one runs on every engine.
    pub fn validate(&self) -> Result<(), InvalidArchitecture> {
        let refuse = |why: String| Err(InvalidArchitecture(why));
        let least = self.frozen() + 3;
        if !(least..=Self::MAX_CHANNELS).contains(&self.channels) {
            return refuse(format!(
                "has {} channels; with this source it can have {least} to {}",
                self.channels,
                Self::MAX_CHANNELS
            ));
        }
        if !(1..=Self::MAX_HIDDEN_LAYERS).contains(&self.hidden.len()) {
            return refuse(format!(
                "has {} hidden layers; it can have 1 to {}",
                self.hidden.len(),
                Self::MAX_HIDDEN_LAYERS
            ));
        }
        if let Some(width) = self
            .hidden
            .iter()
            .find(|width| !(1..=Self::MAX_HIDDEN).contains(*width))
        {
            return refuse(format!(
                "has a hidden layer of width {width}; it can be 1 to {}",
                Self::MAX_HIDDEN
            ));
        }
        self.validate_painter()?;
        let factors = [
            ("step_size", self.step_size),
            ("filter_scale.sobel", self.filter_scale.sobel),
            ("filter_scale.laplacian", self.filter_scale.laplacian),
        ];
        for (name, factor) in factors {
            if !factor.is_finite() {
                return refuse(format!("has a {name} that is not finite"));
            }
        }
        for (i, blur) in self.blurs.iter().enumerate() {
            if !(self.frozen()..self.channels).contains(&blur.channel) {
                return refuse(format!(
                    "blurs channel {}, which is not one of the updated channels {} to {}",
                    blur.channel,
                    self.frozen(),
                    self.channels - 1
                ));
            }
            if self.blurs[..i].iter().any(|b| b.channel == blur.channel) {
                return refuse(format!("blurs channel {} twice", blur.channel));
            }
            if blur.size % 2 == 0 || blur.size > Blur::MAX_SIZE {
                return refuse(format!(
                    "has a blur of size {}; it must be odd and at most {}",
                    blur.size,
                    Blur::MAX_SIZE
                ));
            }
            if !(blur.sigma.is_finite() && blur.sigma > 0.0) {
                return refuse(format!(
                    "has a blur with sigma {}; it must be positive",
                    blur.sigma
                ));
            }
        }
        Ok(())
    }

    fn validate_painter(&self) -> Result<(), InvalidArchitecture> {
        let refuse = |why: String| Err(InvalidArchitecture(why));
        if !Self::CELLS.contains(&self.cell) {
            return refuse(format!(
                "has cells of {0}x{0} pixels; they can be 1, 2, 4 or 8 wide",
                self.cell
            ));
        }
        let Some(painter) = &self.painter else {
            return match self.of_painters().next() {
                Some(name) => refuse(format!("has no painter, which {name} needs")),
                None => Ok(()),
            };
        };
        if self.source == Source::ShiftShuffle {
            return refuse(
                "has a painter and the source shift-shuffle; with a painter, the source can be rgb \
                 or rgb-structure-tensor"
                    .into(),
            );
        }
        if !(1..=Painter::MAX_HIDDEN_LAYERS).contains(&painter.hidden.len()) {
            return refuse(format!(
                "has a painter of {} hidden layers; it can have 1 or {}",
                painter.hidden.len(),
                Painter::MAX_HIDDEN_LAYERS
            ));
        }
        let mut widths = painter.hidden.iter();
        match widths.find(|width| !(1..=Painter::MAX_HIDDEN).contains(*width)) {
            Some(width) => refuse(format!(
                "has a painter with a hidden layer of width {width}; it can be 1 to {}",
                Painter::MAX_HIDDEN
            )),
            None => Ok(()),
        }
    }
}

/// Shapes of layers of these hidden widths, first to last, as (outputs, inputs).
fn shapes(inputs: usize, hidden: &[usize], outputs: usize) -> Vec<(usize, usize)> {
    let inputs = std::iter::once(inputs).chain(hidden.iter().copied());
    let outputs = hidden.iter().copied().chain([outputs]);
    outputs.zip(inputs).collect()
}

/// Multiply-adds of layers of these shapes.
fn multiply_adds(shapes: Vec<(usize, usize)>) -> usize {
    let each = shapes.into_iter().map(|(o, i)| o.saturating_mul(i));
    each.fold(0, usize::saturating_add)
}

fn one() -> f32 {
    1.0
}

fn one_pixel() -> usize {
    1
}

fn is_one_pixel(cell: &usize) -> bool {
    *cell == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_shapes() {
        let published = Architecture::published();
        assert_eq!(published.layers(), [(90, 72), (90, 90), (9, 90)]);
        assert_eq!(published.multiply_adds(), 15_390);
        let notebook = Architecture::notebook();
        assert_eq!(notebook.layers(), [(90, 72), (90, 90), (15, 90)]);
        assert_eq!(notebook.multiply_adds(), 15_930);
        published.validate().unwrap();
        notebook.validate().unwrap();
    }

    #[test]
    fn what_cannot_run_is_refused() {
        type Change = fn(&mut Architecture);
        let changes: [(Change, &str); 10] = [
            (|a| a.channels = 5, "has 5 channels"),
            (|a| a.channels = 65, "has 65 channels"),
            (|a| a.hidden.clear(), "0 hidden layers"),
            (|a| a.hidden = vec![8; 5], "5 hidden layers"),
            (|a| a.hidden[0] = 0, "width 0"),
            (|a| a.step_size = f32::NAN, "step_size"),
            (|a| a.blurs[0].channel = 2, "channel 2"),
            (|a| a.blurs[1].channel = 16, "twice"),
            (|a| a.blurs[0].size = 4, "size 4"),
            (|a| a.blurs[0].sigma = 0.0, "sigma 0"),
        ];
        for (change, words) in changes {
            let mut architecture = Architecture::notebook();
            change(&mut architecture);
            let error = architecture.validate().unwrap_err().to_string();
            assert!(error.contains(words), "{error:?} does not say {words:?}");
        }
    }

    /// Cells of 4x4 pixels and a painter of two layers.
    fn painting() -> Architecture {
        Architecture {
            channels: 22,
            source: Source::RgbStructureTensor,
            hidden: vec![64],
            cell: 4,
            painter: Some(Painter {
                hidden: vec![24, 24],
            }),
            ..Architecture::published()
        }
    }

    #[test]
    fn the_shapes_and_work_of_a_painter() {
        let painting = painting();
        painting.validate().unwrap();
        assert_eq!(painting.layers(), [(64, 88), (16, 64)]);
        assert_eq!(painting.painter_layers(), [(24, 22), (24, 24), (3, 24)]);
        assert_eq!(painting.work(0), 1176);
        assert_eq!(painting.work(2), 1176 + 2 * 416);
        assert_eq!(Architecture::published().painter_layers(), []);
        assert_eq!(Architecture::published().work(2), 2 * 15_390);
        // Two blurs of three and of seven cells, along columns and rows.
        let mut blurred = Architecture::notebook();
        blurred.blurs.pop();
        assert_eq!(blurred.work(1), 15_930 + 6 + 14);
    }

    #[test]
    fn what_cannot_be_painted_is_refused() {
        type Change = fn(&mut Architecture);
        let changes: [(Change, &str); 12] = [
            (|a| a.cell = 0, "0x0"),
            (|a| a.cell = 3, "3x3"),
            (|a| a.cell = 16, "16x16"),
            (|a| a.cell = usize::MAX, "pixels"),
            (|a| a.painter = None, "which cell needs"),
            (
                |a| (a.cell, a.painter) = (1, None),
                "which source rgb-structure-tensor needs",
            ),
            (|a| a.source = Source::ShiftShuffle, "shift-shuffle"),
            (|a| hidden(a).clear(), "0 hidden layers"),
            (|a| hidden(a).push(8), "3 hidden layers"),
            (|a| hidden(a)[1] = 0, "width 0"),
            (|a| hidden(a)[0] = 49, "width 49"),
            (|a| a.channels = 8, "has 8 channels"),
        ];
        fn hidden(architecture: &mut Architecture) -> &mut Vec<usize> {
            &mut architecture.painter.as_mut().unwrap().hidden
        }
        for (change, words) in changes {
            let mut architecture = painting();
            change(&mut architecture);
            let error = architecture.validate().unwrap_err().to_string();
            assert!(error.contains(words), "{error:?} does not say {words:?}");
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let json = r#"{"channels": 12, "source": "rgb", "hidden": [32], "lattice": "hex"}"#;
        assert!(serde_json::from_str::<Architecture>(json).is_err());
        let json = r#"{"channels": 12, "source": "rgb", "hidden": [32],
            "painter": {"hidden": [16], "coordinates": true}}"#;
        assert!(serde_json::from_str::<Architecture>(json).is_err());
    }
}
