//! What the text of all kernels begins with.

use std::fmt::Write;

use crate::Size;
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

/// The channels that are blurred, counted from the first updated one, the radius of each kernel and
/// where its weights begin.
pub(super) fn blur_constants(architecture: &Architecture) -> String {
    let blurs = &architecture.blurs;
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
        array("CHANNEL", channels),
        array("RADIUS", radii),
        array("START", starts),
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
