//! The texts of the kernels, made to measure for the shape of a state. That of the step is in
//! [`super::step`].

use std::fmt::Write;

use super::tiling::Tiling;
use crate::Size;
use crate::engine::{SHARPNESS, TRUST};
use crate::model::{Architecture, Blur, Border};

/// Shape and border of a state. Kernels are compiled for them: divisions by constants cost little.
pub(super) struct Geometry {
    pub(super) size: Size,
    pub(super) frozen: usize,
    pub(super) updated: usize,
    pub(super) border: Border,
}

impl Geometry {
    pub(super) fn new(architecture: &Architecture, size: Size) -> Self {
        Self {
            size,
            frozen: architecture.frozen(),
            updated: architecture.updated(),
            border: architecture.border,
        }
    }

    pub(super) fn channels(&self) -> usize {
        self.frozen + self.updated
    }

    /// The constants of the geometry, and the function `beyond`, which says where along an axis a
    /// value is read that may lie up to a blur's radius beyond an edge.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let constants = [
            ("WIDTH", self.size.width),
            ("HEIGHT", self.size.height),
            ("PIXELS", self.size.pixels()),
            ("FROZEN", self.frozen),
            ("UPDATED", self.updated),
            ("CHANNELS", self.channels()),
        ];
        for (name, value) in constants {
            let _ = writeln!(text, "const {name} = {value}u;");
        }
        let place = match self.border {
            // A pixel wide, a picture is passed as often as the radius says.
            Border::Circular => format!("u32(at + {} * i32(length)) % length", Blur::MAX_SIZE / 2),
            Border::Replicate => "u32(clamp(at, 0, i32(length) - 1))".into(),
        };
        let _ = writeln!(
            text,
            "fn beyond(at: i32, length: u32) -> u32 {{ return {place}; }}"
        );
        text
    }
}

/// The kernel `source`: frozen channels from a frame.
pub(super) fn source(geometry: &Geometry) -> String {
    geometry.text() + include_str!("source.wgsl")
}

/// The kernel `start`: the start state.
pub(super) fn start(geometry: &Geometry) -> String {
    geometry.text() + include_str!("noise.wgsl") + include_str!("start.wgsl")
}

/// The kernel `picture`: samples from the output channels.
pub(super) fn picture(geometry: &Geometry) -> String {
    geometry.text() + include_str!("picture.wgsl")
}

/// The kernel `carry`: the state moved along a flow, for steps that are computed in tiles of
/// `tiling`.
pub(super) fn carry(geometry: &Geometry, tiling: Tiling) -> String {
    let [none, full] = TRUST;
    let mut text = geometry.text() + &tiling.text(geometry.size);
    for (name, value) in [
        ("TRUST_NONE", none),
        ("TRUST_FULL", full),
        ("SHARPNESS", SHARPNESS),
    ] {
        let _ = writeln!(text, "const {name} = f32({value:?});");
    }
    text + include_str!("noise.wgsl") + include_str!("carry.wgsl")
}

/// The kernel `grow`: a step taken over where the state could not be moved.
pub(super) fn grow(geometry: &Geometry) -> String {
    geometry.text() + include_str!("grow.wgsl")
}

/// The kernels `blur_columns` and `blur_rows` for the blurs of an architecture.
pub(super) fn blur(geometry: &Geometry, architecture: &Architecture) -> String {
    let blurs = &architecture.blurs;
    // Counted from the first updated channel.
    let channels = blurs
        .iter()
        .map(|blur| blur.channel - architecture.frozen());
    let radii = blurs.iter().map(|blur| blur.size / 2);
    let starts = blurs.iter().scan(0, |next, blur| {
        let start = *next;
        *next += blur.size;
        Some(start)
    });
    [
        geometry.text(),
        array("CHANNEL", channels),
        array("RADIUS", radii),
        array("START", starts),
        include_str!("blur.wgsl").into(),
    ]
    .concat()
}

fn array(name: &str, values: impl Iterator<Item = usize>) -> String {
    let values: Vec<String> = values.map(|value| format!("{value}u")).collect();
    format!(
        "const {name} = array<u32, {}>({});\n",
        values.len(),
        values.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use naga::back::{hlsl, msl};
    use naga::valid::{Capabilities, ValidationFlags, Validator};

    use super::super::step;
    use super::super::tiling::Rule;
    use super::*;
    use crate::model::{Layer, Model};

    /// Translates a text for the APIs that the tests of whole engines, which run it through the one
    /// that is there, may not get to.
    fn translate(text: &str) {
        let module = naga::front::wgsl::parse_str(text)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::SHADER_FLOAT16)
            .validate(&module)
            .unwrap_or_else(|error| panic!("{}", error.emit_to_string(text)));
        let mut metal = String::new();
        let options = msl::Options {
            fake_missing_bindings: true,
            ..msl::Options::default()
        };
        msl::Writer::new(&mut metal)
            .write(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap();
        assert!(metal.contains("kernel void"), "{metal}");
        let mut direct3d = String::new();
        let options = hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_2,
            ..hlsl::Options::default()
        };
        hlsl::Writer::new(&mut direct3d, &options, &hlsl::PipelineOptions::default())
            .write(&module, &info, None)
            .unwrap();
        assert!(direct3d.contains("numthreads"), "{direct3d}");
    }

    #[test]
    fn kernels_translate_for_every_api() {
        let small = Model::bundled_default();
        let architecture = Architecture::notebook();
        let layer = |(outputs, inputs)| Layer {
            outputs,
            inputs,
            weights: vec![0.0; outputs * inputs],
            bias: None,
        };
        let wide = Model {
            layers: architecture.layers().into_iter().map(layer).collect(),
            architecture,
            ..small.clone()
        };
        for model in [small, wide] {
            let architecture = &model.architecture;
            let geometry = Geometry::new(architecture, Size::new(33, 18));
            for text in [
                source(&geometry),
                start(&geometry),
                picture(&geometry),
                grow(&geometry),
                blur(&geometry, architecture),
            ] {
                translate(&text);
            }
            for (half, bytes) in [(false, 4), (true, 2)] {
                let tiling = Tiling::new(architecture, bytes, 16 << 10).unwrap();
                let rule = Rule::new(&model, tiling);
                translate(&carry(&geometry, tiling));
                translate(&step::kernel(&geometry, architecture, tiling, &rule, half));
            }
        }
    }
}
