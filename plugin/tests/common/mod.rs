//! What the tests of the element share.
// Every test file uses some of it.
#![allow(dead_code)]

use std::sync::Once;

use gst::prelude::*;
use gst_check::Harness;
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoFrameRef, VideoInfo};
use nca::model::{Layer, Model};

/// Longest that a test waits for what must come, before it fails rather than hangs.
pub const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(120);

/// GStreamer with the element in it.
pub fn init() {
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        gst::init().unwrap();
        gstnca::register_static().unwrap();
    });
}

/// An element that is quick: few steps.
pub fn quick_element() -> gst::Element {
    init();
    gst::ElementFactory::make("ncafilter")
        .property("steps", 1)
        .property("warmup", 2)
        .build()
        .unwrap()
}

/// A playing element in a harness, with a bus of its own.
pub struct Rig {
    pub harness: Harness,
    pub element: gst::Element,
    pub bus: gst::Bus,
}

impl Rig {
    pub fn new(element: &gst::Element, info: &VideoInfo) -> Self {
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
        harness.set_src_caps(info.to_caps().unwrap());
        Self {
            harness,
            element: element.clone(),
            bus,
        }
    }

    /// Pushes a buffer and returns what comes out.
    pub fn restyle(&mut self, buffer: gst::Buffer) -> gst::Buffer {
        self.harness.push_and_pull(buffer).unwrap()
    }

    /// A field of the property `stats`.
    pub fn stat<T>(&self, field: &str) -> T
    where
        T: for<'a> glib::value::FromValue<'a> + 'static,
    {
        let stats = self.element.property::<gst::Structure>("stats");
        stats.get(field).unwrap()
    }

    /// The messages that have come since the last call.
    pub fn messages(&self) -> Vec<gst::Message> {
        std::iter::from_fn(|| self.bus.pop()).collect()
    }
}

/// Those of this type.
pub fn of_type(messages: &[gst::Message], kind: gst::MessageType) -> Vec<&gst::Message> {
    messages
        .iter()
        .filter(|message| message.type_() == kind)
        .collect()
}

/// Waits for the first message of these kinds.
pub fn wait_for(bus: &gst::Bus, kinds: &[gst::MessageType]) -> gst::Message {
    bus.timed_pop_filtered(PATIENCE, kinds)
        .unwrap_or_else(|| panic!("none of {kinds:?} came"))
}

/// Progressive video at 25 frames a second.
pub fn info(format: VideoFormat, width: u32, height: u32) -> VideoInfo {
    init();
    VideoInfo::builder(format, width, height)
        .fps(gst::Fraction::new(25, 1))
        .build()
        .unwrap()
}

/// Red, green, blue and the fourth byte of the pixel at (x, y) of picture `number`.
pub fn pixel(number: usize, x: usize, y: usize) -> [u8; 4] {
    let wave = |a: usize, b: usize| (128.0 + 120.0 * ((a + number) as f64 / b as f64).sin()) as u8;
    [
        wave(3 * x, 7),
        wave(2 * y, 5),
        wave(x + y, 4),
        (x * 31 + y * 17 + 3) as u8,
    ]
}

/// Where the four values of a pixel lie: plane, and offset within it.
fn places(info: &VideoInfo, strides: &[i32], x: usize, y: usize) -> Vec<(usize, usize)> {
    let format = info.format_info();
    let step = format.pixel_stride()[0] as usize;
    let place =
        |plane: usize, offset: usize| (plane, y * strides[plane] as usize + x * step + offset);
    let rgb = [0, 1, 2].map(|c| (format.plane()[c] as usize, format.poffset()[c] as usize));
    let mut places = rgb.map(|(plane, offset)| place(plane, offset)).to_vec();
    if step == 4 {
        // The four offsets add up to six, whether or not the format names the fourth.
        places.push(place(
            0,
            6 - rgb.iter().map(|(_, offset)| offset).sum::<usize>(),
        ));
    }
    places
}

/// Writes what `value` gives for x and y into a buffer.
pub fn draw_with(
    buffer: &mut gst::Buffer,
    info: &VideoInfo,
    value: impl Fn(usize, usize) -> [u8; 4],
) {
    let buffer = buffer.get_mut().unwrap();
    let mut frame = VideoFrameRef::from_buffer_ref_writable(buffer, info).unwrap();
    let strides = frame.plane_stride().to_vec();
    for y in 0..info.height() as usize {
        for x in 0..info.width() as usize {
            let places = places(info, &strides, x, y);
            for ((plane, at), value) in places.into_iter().zip(value(x, y)) {
                frame.plane_data_mut(plane as u32).unwrap()[at] = value;
            }
        }
    }
}

/// Writes picture `number` into a buffer.
pub fn draw(buffer: &mut gst::Buffer, info: &VideoInfo, number: usize) {
    draw_with(buffer, info, |x, y| pixel(number, x, y));
}

/// A buffer with picture `number` and the timestamps of its place.
pub fn buffer(info: &VideoInfo, number: usize) -> gst::Buffer {
    let mut buffer = gst::Buffer::with_size(info.size()).unwrap();
    draw(&mut buffer, info, number);
    let duration = gst::ClockTime::from_mseconds(40);
    let writable = buffer.get_mut().unwrap();
    writable.set_pts(duration * number as u64);
    writable.set_duration(duration);
    buffer
}

/// The pixels of a buffer, row after row: red, green, blue and, in formats of four bytes, the
/// fourth.
pub fn pixels(buffer: &gst::BufferRef, info: &VideoInfo) -> Vec<Vec<u8>> {
    let frame = VideoFrameRef::from_buffer_ref_readable(buffer, info).unwrap();
    let strides = frame.plane_stride().to_vec();
    let mut pixels = Vec::new();
    for y in 0..info.height() as usize {
        for x in 0..info.width() as usize {
            let places = places(info, &strides, x, y);
            let value = |(plane, at)| frame.plane_data(plane as u32).unwrap()[at];
            pixels.push(places.into_iter().map(value).collect());
        }
    }
    pixels
}

/// Red, green and blue of every pixel, row after row.
pub fn colours(buffer: &gst::BufferRef, info: &VideoInfo) -> Vec<[u8; 3]> {
    let pixels = pixels(buffer, info);
    pixels.iter().map(|p| [p[0], p[1], p[2]]).collect()
}

/// A usable model that is not the bundled one, in a file.
pub fn other_model(folder: &std::path::Path) -> String {
    save(&with_last_layer(-0.5), folder, "other.safetensors")
}

/// A model whose state overflows with the second step, in a file.
pub fn exploding_model(folder: &std::path::Path) -> String {
    save(&with_last_layer(1e30), folder, "exploding.safetensors")
}

/// The bundled model with the weights of its last layer multiplied by `factor`.
fn with_last_layer(factor: f32) -> Model {
    let model = Model::bundled_default();
    let mut layers = model.layers().to_vec();
    let last = layers.pop().unwrap();
    let weights = last
        .weights()
        .iter()
        .map(|weight| weight * factor)
        .collect();
    let bias = last.bias().map(<[f32]>::to_vec);
    layers.push(Layer::new(last.outputs(), last.inputs(), weights, bias).unwrap());
    let architecture = model.architecture().clone();
    let changed = Model::new(architecture, layers, Vec::new(), model.playback()).unwrap();
    changed.with_card(model.card().clone())
}

fn save(model: &Model, folder: &std::path::Path, name: &str) -> String {
    let path = folder.join(name);
    model.save(&path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether all elements are installed; says which is not.
pub fn available(elements: &[&str]) -> bool {
    init();
    let missing = elements
        .iter()
        .find(|name| gst::ElementFactory::find(name).is_none());
    if let Some(name) = missing {
        println!("skipped: GStreamer's element {name} is not installed");
    }
    missing.is_none()
}

/// Plays a pipeline to its end. Panics with the message of an error.
pub fn play(launch: &str) {
    init();
    let pipeline = gst::parse::launch(launch).unwrap();
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let message = wait_for(&bus, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null).unwrap();
    if let gst::MessageView::Error(error) = message.view() {
        panic!("{launch}: {} ({:?})", error.error(), error.debug());
    }
}
