//! The texts of the kernels, made to measure for the shape of a state. That of the step is in
//! [`super::step`].

use std::fmt::Write;

use crate::Size;
use crate::engine::cpu::DOUBT;
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
    geometry.text() + include_str!("start.wgsl")
}

/// The kernel `picture`: samples from the output channels.
pub(super) fn picture(geometry: &Geometry) -> String {
    geometry.text() + include_str!("picture.wgsl")
}

/// The kernel `carry`: the state moved along a flow.
pub(super) fn carry(geometry: &Geometry) -> String {
    let [none, full] = DOUBT;
    let doubt = format!("const DOUBT_NONE = f32({none:?});\nconst DOUBT_FULL = f32({full:?});\n");
    geometry.text() + &doubt + include_str!("carry.wgsl")
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
