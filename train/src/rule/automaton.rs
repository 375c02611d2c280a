//! The automaton in tch: any architecture, differentiable, on any device.

use std::cell::RefCell;
use std::rc::Rc;

use rand::{Rng, RngExt};
use tch::{Device, Kind, Tensor};

use crate::rule::cells::Cells;
use crate::rule::fused::{Fused, Shape};
use nca::internals::{LUMA, SHIFTS, rolls};
use nca::model::{Architecture, Border, Card, InvalidModel, Layer, Model, Playback, Source};

/// An automaton in training: its architecture and parameters.
pub struct Automaton {
    architecture: Architecture,
    /// Weight (outputs x inputs) and, where there is one, bias (outputs) of each layer, first to
    /// last.
    layers: Vec<(Tensor, Option<Tensor>)>,
    /// The same of the painter; none: cells are pixels.
    painter: Vec<(Tensor, Option<Tensor>)>,
    /// sobel_x, sobel_y and the laplacian, scaled: 3 x 3 x 3.
    filters: Tensor,
    /// Kernel of each blur along one axis.
    blurs: Vec<(i64, Tensor)>,
    /// Those of the sizes of pictures that were used last.
    cells: RefCell<Vec<(f32, Rc<Cells>)>>,
}

/// How the parameters of a new automaton are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Initialisation {
    /// The last layer is zero, so that the first iterations begin from a rule that leaves the
    /// picture alone; the others are normal with variance 1 / inputs.
    Still,
    /// PyTorch's default for convolutions, uniform within 1 / sqrt(inputs), times this factor.
    Scaled(f64),
}

impl Automaton {
    /// A new automaton, all layers with a bias.
    pub fn new(
        architecture: &Architecture,
        initialisation: Initialisation,
        rng: &mut impl Rng,
        device: Device,
    ) -> Self {
        let mut layers = |shapes: Vec<(usize, usize)>, last_scale: f64| -> Vec<Layer> {
            let last = shapes.len().saturating_sub(1);
            let layers = shapes.iter().enumerate().map(|(i, &(outputs, inputs))| {
                let bound = (inputs as f64).sqrt().recip();
                let mut draw = |n: usize| -> Vec<f32> {
                    (0..n)
                        .map(|_| match initialisation {
                            Initialisation::Still if i == last && last_scale == 0.0 => 0.0,
                            // Uniform within sqrt(3) has variance 1.
                            Initialisation::Still => {
                                let scale = if i == last { last_scale } else { 1.0 };
                                scale * bound * 3_f64.sqrt() * rng.random_range(-1.0..1.0)
                            }
                            Initialisation::Scaled(factor) => {
                                bound * factor * rng.random_range(-1.0..1.0)
                            }
                        })
                        .map(|value: f64| value as f32)
                        .collect()
                };
                let weights = draw(outputs * inputs);
                let bias = match initialisation {
                    Initialisation::Still => vec![0.0; outputs],
                    Initialisation::Scaled(_) => draw(outputs),
                };
                let layer = Layer::new(outputs, inputs, weights, Some(bias));
                layer.expect("as many values as its shape says were drawn")
            });
            layers.collect()
        };
        let rule = layers(architecture.layers(), 0.0);
        // A painter that shows nothing of the hidden channels would teach them nothing.
        let painter = layers(architecture.painter_layers(), 0.2);
        Self::of_layers(architecture, &rule, &painter, device)
    }

    /// The automaton of a model.
    pub fn of(model: &Model, device: Device) -> Self {
        Self::of_layers(
            model.architecture(),
            model.layers(),
            model.painter(),
            device,
        )
    }

    fn of_layers(
        architecture: &Architecture,
        layers: &[Layer],
        painter: &[Layer],
        device: Device,
    ) -> Self {
        let tensors = |layers: &[Layer]| {
            let tensors = layers.iter().map(|layer| {
                let shape = [layer.outputs() as i64, layer.inputs() as i64];
                let weights = Tensor::from_slice(layer.weights()).reshape(shape);
                let bias = layer.bias().map(Tensor::from_slice);
                (weights.to(device), bias.map(|bias| bias.to(device)))
            });
            tensors.collect()
        };
        let (sobel, laplacian) = (
            architecture.filter_scale.sobel,
            architecture.filter_scale.laplacian,
        );
        let sobel_x = Tensor::from_slice(&[-1_f32, 0., 1., -2., 0., 2., -1., 0., 1.]);
        let sobel_x = sobel_x.reshape([3, 3]) * f64::from(sobel);
        let ring = Tensor::from_slice(&[1_f32, 2., 1., 2., -12., 2., 1., 2., 1.]);
        let ring = ring.reshape([3, 3]) * f64::from(laplacian);
        let blurs = architecture
            .blurs
            .iter()
            .map(|blur| {
                let kernel = Tensor::from_slice(&blur.kernel());
                (blur.channel as i64, kernel.to(device))
            })
            .collect();
        Self {
            architecture: architecture.clone(),
            layers: tensors(layers),
            painter: tensors(painter),
            filters: Tensor::stack(&[&sobel_x, &sobel_x.tr(), &ring], 0).to(device),
            blurs,
            cells: RefCell::default(),
        }
    }

    /// What it is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.filters.device()
    }

    /// The parameters by name, in the order of [`Gradients`].
    pub fn parameters(&self) -> Vec<(String, &Tensor)> {
        let mut parameters = Vec::new();
        for (letter, layers) in [("w", &self.layers), ("p", &self.painter)] {
            for (i, (weight, bias)) in layers.iter().enumerate() {
                let name = format!("{letter}{}", i + 1);
                parameters.push((format!("{name}.weight"), weight));
                parameters.extend(bias.iter().map(|bias| (format!("{name}.bias"), bias)));
            }
        }
        parameters
    }

    /// The model as it stands.
    ///
    /// # Errors
    /// When a parameter is not finite, or it is to be run with too many steps.
    pub fn to_model(&self, playback: Playback, card: Card) -> Result<Model, InvalidModel> {
        let layers = |shapes: Vec<(usize, usize)>, tensors: &[(Tensor, Option<Tensor>)]| {
            let layers = shapes.iter().zip(tensors);
            let layers = layers.map(|(&(outputs, inputs), (weight, bias))| {
                Layer::new(outputs, inputs, values(weight), bias.as_ref().map(values))
            });
            layers.collect::<Result<_, _>>()
        };
        let architecture = self.architecture.clone();
        let rule = layers(architecture.layers(), &self.layers)?;
        let painter = layers(architecture.painter_layers(), &self.painter)?;
        Ok(Model::new(architecture, rule, painter, playback)?.with_card(card))
    }

    /// How its cells lie on pictures of this height and width, with strokes of `stroke` times their usual
    /// size; `None`: cells are pixels.
    pub fn cells(&self, picture: [usize; 2], stroke: f32) -> Option<Rc<Cells>> {
        /// More than are used in turn.
        const KEPT: usize = 16;
        self.architecture.painter.as_ref()?;
        let mut kept = self.cells.borrow_mut();
        let is_same = |(of, cells): &&(f32, Rc<Cells>)| *of == stroke && cells.picture() == picture;
        if let Some((_, cells)) = kept.iter().find(is_same) {
            return Some(Rc::clone(cells));
        }
        let cells = Cells::new(self.architecture.cell, stroke, picture, self.device());
        let cells = Rc::new(cells);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((stroke, Rc::clone(&cells)));
        Some(cells)
    }

    fn cells_of(&self, pictures: &Tensor, stroke: f32) -> Option<Rc<Cells>> {
        let (_, _, height, width) = pictures.size4().expect("pictures have four dimensions");
        self.cells([height as usize, width as usize], stroke)
    }

    /// The frozen channels of pictures, B x 3 x H x W in [0, 1]: B x F x h x w, of pixels or of cells for
    /// strokes of `stroke` times their usual size.
    pub fn source(&self, pictures: &Tensor, stroke: f32) -> Tensor {
        if let Some(cells) = self.cells_of(pictures, stroke) {
            return cells.source(pictures, self.architecture.source);
        }
        let channels = match self.architecture.source {
            Source::Rgb => pictures.shallow_clone(),
            Source::ShiftShuffle => Tensor::cat(&[pictures, &shift_shuffle(pictures)], 1),
            Source::RgbStructureTensor => unreachable!("it is only had with a painter"),
        };
        channels - 0.5
    }

    /// Start states for pictures, B x 3 x H x W in [0, 1]: B x C x h x w with noise from torch's
    /// generator.
    pub fn start(&self, pictures: &Tensor, stroke: f32) -> Tensor {
        let source = self.source(pictures, stroke);
        let (batch, _, height, width) = source.size4().expect("sources have four dimensions");
        let hidden = self.architecture.updated() as i64 - 3;
        let noise = Tensor::rand([batch, hidden, height, width], (Kind::Float, self.device()));
        Tensor::cat(&[&source, &source.narrow(1, 0, 3), &(noise - 0.5)], 1)
    }

    /// The rule with its parameters as they are now, ready to be run in the fastest way there is.
    pub fn rule(&self) -> Rule<'_> {
        let mut rule = self.rule_in_torch();
        if self.device() == Device::Cpu {
            let layers = self.layers.iter();
            let layers = layers.map(|(weight, bias)| (values(weight), bias.as_ref().map(values)));
            let layers: Vec<_> = layers.collect();
            rule.fused = Some(Fused::new(&self.architecture, &layers));
        }
        rule
    }

    /// The same rule, computed and differentiated by torch.
    pub fn rule_in_torch(&self) -> Rule<'_> {
        let channels = self.architecture.channels as i64;
        let leaf = |tensor: &Tensor| tensor.detach().copy().set_requires_grad(true);
        let layers = self.layers.iter().enumerate().map(|(i, (weight, bias))| {
            let weight = match i {
                0 => self.kernel(weight, channels),
                _ => weight.unsqueeze(-1).unsqueeze(-1),
            };
            (leaf(&weight), bias.as_ref().map(leaf))
        });
        let painter = self.painter.iter().map(|(weight, bias)| {
            let weight = weight.unsqueeze(-1).unsqueeze(-1);
            (leaf(&weight), bias.as_ref().map(leaf))
        });
        Rule {
            automaton: self,
            layers: layers.collect(),
            painter: painter.collect(),
            fused: None,
        }
    }

    /// Perception and the first layer are both linear and make one 3x3 convolution together:
    /// outputs x C x 3 x 3.
    fn kernel(&self, weight: &Tensor, channels: i64) -> Tensor {
        let outputs = weight.size()[0];
        let values = weight.narrow(1, 0, channels);
        let responses = weight.narrow(1, channels, 3 * channels);
        let filters = self.filters.reshape([3, 9]);
        let kernel = responses.reshape([-1, 3]).matmul(&filters);
        let kernel = kernel.reshape([outputs, channels, 9]);
        let mut centre = kernel.narrow(2, 4, 1);
        let _ = centre.g_add_(&values.unsqueeze(-1));
        kernel.reshape([outputs, channels, 3, 3])
    }

    /// The gradient of the first layer's weights, given that of their [`Self::kernel`].
    fn weight_gradient(&self, kernel: &Tensor) -> Tensor {
        let outputs = kernel.size()[0];
        let kernel = kernel.reshape([outputs, -1, 9]);
        let values = kernel.select(2, 4);
        let filters = self.filters.reshape([3, 9]);
        let responses = kernel.matmul(&filters.tr()).reshape([outputs, -1]);
        Tensor::cat(&[values, responses], 1)
    }
}

/// Gradients of [`Automaton::parameters`], in their order.
pub type Gradients = Vec<Tensor>;

/// Sums of gradients of a rule's parameters, in its own form; [`Rule::finish`] says what they mean.
#[derive(Default)]
pub struct Sums {
    rule: Gradients,
    painter: Gradients,
}

/// What a painter looks at.
pub struct Canvas {
    /// B x 3 x H x W in [0, 1].
    pub frames: Tensor,
    /// Size of the strokes.
    pub stroke: f32,
}

/// An automaton's rule with its parameters as they were when it was made.
pub struct Rule<'a> {
    automaton: &'a Automaton,
    /// Leaves of the graph, as kernels of convolutions.
    layers: Vec<(Tensor, Option<Tensor>)>,
    /// The same of the painter.
    painter: Vec<(Tensor, Option<Tensor>)>,
    /// The rule for the processor, where that is the device.
    fused: Option<Fused>,
}

impl Rule<'_> {
    /// What the rule belongs to.
    pub fn automaton(&self) -> &Automaton {
        self.automaton
    }

    /// One step of states B x C x H x W.
    pub fn step(&self, state: &Tensor) -> Tensor {
        let Some(fused) = &self.fused else {
            return self.step_in_torch(state);
        };
        let state = state.detach().contiguous();
        let mut next = state.empty_like();
        fused.step(shape(&state), slice(&state), slice_mut(&mut next));
        next
    }

    /// So many steps of states B x C x H x W.
    pub fn steps(&self, state: &Tensor, count: u32) -> Tensor {
        (0..count).fold(state.shallow_clone(), |state, _| self.step(&state))
    }

    /// The gradient of [`Self::step`]: given that of what comes out, returns that of `state` and
    /// adds those of the parameters to `sums`. The step is computed again, so that nothing of it
    /// had to be kept. The frozen channels learn nothing: their gradients mean nothing.
    pub fn step_backward(&self, state: &Tensor, gradient: &Tensor, sums: &mut Sums) -> Tensor {
        let Some(fused) = &self.fused else {
            return self.step_backward_in_torch(state, gradient, sums);
        };
        let (state, gradient) = (state.detach().contiguous(), gradient.contiguous());
        let mut out = state.empty_like();
        let of_layers = fused.step_backward(
            shape(&state),
            slice(&state),
            slice(&gradient),
            slice_mut(&mut out),
        );
        let mut of_parameters = Gradients::new();
        for ((_, has_bias), (weights, bias)) in self.layers.iter().zip(of_layers) {
            of_parameters.push(Tensor::from_slice(&weights));
            of_parameters.extend(has_bias.as_ref().map(|_| Tensor::from_slice(&bias)));
        }
        add_to(&mut sums.rule, of_parameters);
        out
    }

    /// [`Self::step`] as torch computes it, on any device, and differentiates it.
    fn step_in_torch(&self, state: &Tensor) -> Tensor {
        let architecture = &self.automaton.architecture;
        let frozen = architecture.frozen() as i64;
        let last = self.layers.len() - 1;
        let mut values = self.pad(state, [1; 4]);
        for (i, (weight, bias)) in self.layers.iter().enumerate() {
            values = values.conv2d(weight, bias.as_ref(), 1, 0, 1, 1);
            if i < last {
                values = values.relu();
            }
        }
        if architecture.step_size != 1.0 {
            values *= f64::from(architecture.step_size);
        }
        let base = self.blurred(state);
        let updated = architecture.updated() as i64;
        Tensor::cat(
            &[
                state.narrow(1, 0, frozen),
                base.narrow(1, frozen, updated) + values,
            ],
            1,
        )
    }

    fn step_backward_in_torch(&self, state: &Tensor, gradient: &Tensor, sums: &mut Sums) -> Tensor {
        let state = state.detach().set_requires_grad(true);
        let mut inputs = vec![&state];
        for (weight, bias) in &self.layers {
            inputs.push(weight);
            inputs.extend(bias);
        }
        let dot = tch::with_grad(|| (self.step_in_torch(&state) * gradient).sum(Kind::Float));
        let mut gradients = Tensor::run_backward(&[dot], &inputs, false, false);
        add_to(&mut sums.rule, gradients.split_off(1));
        gradients.swap_remove(0)
    }

    /// What the sums of [`Self::step_backward`] mean for the automaton's parameters.
    pub fn finish(&self, sums: Sums) -> Gradients {
        let Sums { mut rule, painter } = sums;
        if self.fused.is_none()
            && let Some(of_kernel) = rule.first_mut()
        {
            *of_kernel = self.automaton.weight_gradient(of_kernel);
        }
        let parameters = self.automaton.parameters();
        let sums = parameters.iter().zip(rule.into_iter().chain(painter));
        sums.map(|((_, parameter), sum)| sum.reshape(parameter.size()))
            .collect()
    }

    /// The pictures shown of states' unfrozen channels, B x (C-F) x h x w: B x 3 x H x W, in [0, 1] where
    /// they do not overflow. `canvas` only where the automaton has a painter.
    pub fn picture(&self, unfrozen: &Tensor, canvas: Option<&Canvas>) -> Tensor {
        let colours = |values: &Tensor| values.narrow(1, 0, 3) + 0.5;
        let of_canvas = canvas.and_then(|canvas| {
            let cells = self.automaton.cells_of(&canvas.frames, canvas.stroke)?;
            Some((canvas, cells))
        });
        let Some((canvas, cells)) = of_canvas else {
            return colours(unfrozen);
        };
        let sampled = cells.sample(unfrozen);
        let film = &canvas.frames - 0.5;
        let detail = (&film - cells.sample(&cells.means(&film))) * 2.0;
        let mut values = Tensor::cat(&[&sampled, &film, &detail], 1);
        let last = self.painter.len() - 1;
        for (i, (weight, bias)) in self.painter.iter().enumerate() {
            values = values.conv2d(weight, bias.as_ref(), 1, 0, 1, 1);
            if i < last {
                values = leaky(&values);
            }
        }
        values + colours(&sampled)
    }

    /// Adds what has come together at the painter's parameters to `sums`: gradients of what was made of
    /// [`Self::picture`].
    pub fn take_painter_gradients(&self, sums: &mut Sums) {
        let leaves = self
            .painter
            .iter()
            .flat_map(|(weight, bias)| std::iter::once(weight).chain(bias));
        let gradients = leaves.map(|leaf| match leaf.grad() {
            gradient if gradient.defined() => gradient.copy(),
            _ => leaf.zeros_like(),
        });
        let gradients = gradients.collect();
        add_to(&mut sums.painter, gradients);
        for (weight, bias) in &self.painter {
            for leaf in std::iter::once(weight).chain(bias) {
                leaf.shallow_clone().zero_grad();
            }
        }
    }

    /// The state with those channels blurred that the architecture says.
    fn blurred(&self, state: &Tensor) -> Tensor {
        if self.automaton.blurs.is_empty() {
            return state.shallow_clone();
        }
        let mut channels = state.split(1, 1);
        for (channel, kernel) in &self.automaton.blurs {
            let radius = kernel.size()[0] / 2;
            let channel = &mut channels[*channel as usize];
            let padded = self.pad(channel, [radius; 4]);
            let along = |x: Tensor, shape: [i64; 4]| {
                x.conv2d(&kernel.reshape(shape), None::<&Tensor>, 1, 0, 1, 1)
            };
            *channel = along(along(padded, [1, 1, -1, 1]), [1, 1, 1, -1]);
        }
        Tensor::cat(&channels, 1)
    }

    fn pad(&self, x: &Tensor, sides: [i64; 4]) -> Tensor {
        match self.automaton.architecture.border {
            Border::Circular => x.pad(sides, "circular", None),
            Border::Replicate => x.replication_pad2d(sides),
        }
    }
}

/// The unfrozen channels of states.
pub fn unfrozen(automaton: &Automaton, states: &Tensor) -> Tensor {
    let architecture = automaton.architecture();
    states.narrow(
        1,
        architecture.frozen() as i64,
        architecture.updated() as i64,
    )
}

/// Leaky rectifier of painters.
fn leaky(values: &Tensor) -> Tensor {
    const SLOPE: f32 = 0.1;
    values.prelu(&Tensor::from_slice(&[SLOPE]).to(values.device()))
}

fn add_to(sums: &mut Gradients, gradients: Gradients) {
    if sums.is_empty() {
        *sums = gradients;
    } else {
        for (sum, gradient) in sums.iter_mut().zip(&gradients) {
            let _ = sum.g_add_(gradient);
        }
    }
}

/// A copy of a tensor's values.
fn values(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to(Device::Cpu).contiguous().flatten(0, -1);
    Vec::try_from(tensor).expect("parameters are float32")
}

fn shape(state: &Tensor) -> Shape {
    let (batch, channels, height, width) = state.size4().expect("states have four dimensions");
    let [batch, channels, height, width] = [batch, channels, height, width].map(|n| n as usize);
    Shape {
        batch,
        channels,
        height,
        width,
    }
}

/// The values of a tensor in this machine's memory.
fn slice(tensor: &Tensor) -> &[f32] {
    assert!(in_memory(tensor), "a tensor that is no plain memory");
    // SAFETY: contiguous float32 in this machine's memory, as was just checked, which lives as long
    // as the tensor and is not changed through another one meanwhile: states never are.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), tensor.numel()) }
}

/// The values of a tensor that nobody else has yet.
fn slice_mut(tensor: &mut Tensor) -> &mut [f32] {
    assert!(in_memory(tensor), "a tensor that is no plain memory");
    // SAFETY: as for `slice`; it was made just now, so that it shares its memory with no other.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), tensor.numel()) }
}

fn in_memory(tensor: &Tensor) -> bool {
    tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous()
}

/// The shift-shuffle channels of pictures B x 3 x H x W: B x 6 x H x W.
fn shift_shuffle(pictures: &Tensor) -> Tensor {
    let (_, _, height, width) = pictures.size4().expect("pictures have four dimensions");
    let even = pictures.replication_pad2d([0, width % 2, 0, height % 2]);
    let weights = Tensor::from_slice(&LUMA).to(pictures.device());
    let grey = (even * weights.reshape([1, 3, 1, 1])).sum_dim_intlist(
        [1_i64].as_slice(),
        true,
        Kind::Float,
    );
    let mut channels = Vec::new();
    for shift in SHIFTS {
        let halves = rolls(shift).map(|(y, x)| {
            grey.roll([y, x], [2, 3]).avg_pool2d(
                [2_i64; 2],
                [2_i64; 2],
                [0_i64; 2],
                false,
                true,
                None::<i64>,
            )
        });
        channels.push(Tensor::cat(&halves, 1).pixel_shuffle(2));
    }
    let channels = Tensor::cat(&channels, 1);
    channels.narrow(2, 0, height).narrow(3, 0, width)
}
