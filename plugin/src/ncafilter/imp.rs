// SPDX-License-Identifier: MIT OR Apache-2.0

//! The element's properties, its life from start to stop, and what it does with a frame.

/**
 * SECTION:element-ncafilter
 * @title: ncafilter
 * @short_description: Restyles video with a trained neural cellular automaton
 *
 * A neural cellular automaton is a tiny rule, the same for every pixel, that looks at the pixel's
 * neighbourhood and nudges its state. Trained against the style of a picture or a line of text, it
 * repaints what it is given. `ncafilter` runs such a rule on video: every frame is the fixed
 * source that the rule looks at, the rest of the state lives on from frame to frame, so the style
 * grows and holds on to things.
 *
 * #GstNcaFilter:settings-file sets the properties that are in a file, as nca-restyle writes it with
 * `--save-settings`; the element keeps presets too (#GstPreset).
 *
 * #GstNcaFilter:model names the rule: the path of a model file (`.pt` or `.safetensors`) or a
 * bundled model. It may be changed while the pipeline plays: the new model is read aside and
 * takes over between two frames. If it cannot be read, there is a warning on the bus and the old
 * one stays.
 *
 * On the first frame, and after every reset, the automaton runs #GstNcaFilter:warmup steps; on
 * every later frame it runs #GstNcaFilter:steps. It starts anew with new caps, after a flushing
 * seek, on the signal #GstNcaFilter::reset and, unless #GstNcaFilter:reset-on-cut is off, on hard cuts.
 *
 * One buffer comes out for one that goes in, of the same size, with its timestamps, flags and
 * metas; alpha is not touched. No latency is added.
 *
 * #GstBaseTransform:qos is on by default, as in every video filter: when a sink reports that frames
 * come too late, the next ones are dropped instead of restyled. For work on files set it to false:
 * then every frame is restyled, and on the cpu backend the output is the same from run to run.
 *
 * The state is moved along with what moves in the picture (#GstNcaFilter:motion), so that the style
 * sticks to things; where nothing moves it is not touched.
 *
 * If a frame takes too long for live video, lower #GstNcaFilter:scale first: half the scale is a
 * quarter of the work.
 *
 * ## Example pipelines
 *
 * A webcam as a pencil sketch:
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! ncafilter ! videoconvert ! autovideosink
 * ]|
 * A file, restyled frame by frame without dropping any:
 * |[
 * gst-launch-1.0 filesrc location=in.mp4 ! decodebin ! videoconvert ! ncafilter model=starry.pt qos=false ! videoconvert ! x264enc ! mp4mux ! filesink location=out.mp4
 * ]|
 * Before and after, side by side:
 * |[
 * gst-launch-1.0 videotestsrc ! video/x-raw,width=640,height=480 ! tee name=t t. ! queue ! ncafilter scale=0.5 ! videoconvert ! compositor name=mix sink_1::xpos=640 ! videoconvert ! autovideosink t. ! queue ! videoconvert ! mix.
 * ]|
 */
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_base::prelude::*;
use gst_base::subclass::prelude::*;
use gst_video::subclass::prelude::*;
use nca::Cancel;
use nca::engine::{EngineError, MAX_LENGTH, Selection};
use nca::model::ModelError;
use nca::settings::{Change, Setting, Settings, SettingsError, TABLE};
use nca::stylizer::{Outcome, Stylizer};

use super::frame::{self, Rectangle};
use super::loader::{Loader, NamedModel};
use super::lock;
use super::log::{CAT, LibraryLog};
use super::properties;
use super::stats::Stats;

/// A broken model can go wrong on every frame; the bus hears of it no more often than this.
const RESEED_WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// What lives from start to stop, in the hands of the streaming thread.
struct State {
    stylizer: Stylizer,
    log: LibraryLog,
    info: Option<gst_video::VideoInfo>,
    reseed_warning: Option<Instant>,
    gave_up: bool,
}

/// Every lock but that of `state` is held for moments only; whoever sets or reads a property takes
/// those, so nobody waits for a frame.
#[derive(Default)]
pub struct NcaFilter {
    settings: Mutex<Settings>,
    /// What is wrong with the file of settings that was named last, while nobody has been told.
    broken_settings: Mutex<Option<SettingsError>>,
    loader: Loader,
    /// What it was started with; none while it is stopped.
    selection: Mutex<Option<Selection>>,
    /// Stops the frame that is under way.
    cancel: Cancel,
    reset: AtomicBool,
    stats: Mutex<Stats>,
    state: Mutex<Option<State>>,
}

impl NcaFilter {
    /// Starts the state anew with the next frame.
    fn reset(&self) {
        self.reset.store(true, Ordering::Relaxed);
    }

    /// Reads the model that the settings name on a thread of its own, if frames are being
    /// restyled; otherwise it is read at the start.
    fn load_aside(&self) {
        let Some(request) = self.loader.request() else {
            return;
        };
        let name = lock(&self.settings).text("model").map(str::to_owned);
        let element = self.obj().downgrade();
        let spawned = self.loader.read(request, move |request| {
            let found = NamedModel::find(name.as_deref(), request.void());
            let Some(element) = element.upgrade() else {
                return;
            };
            let this = element.imp();
            match found {
                Ok(model) => this.loader.deliver(&request, model),
                Err(err) if this.loader.is_latest(&request) => {
                    gst::element_imp_warning!(
                        this,
                        resource_error(&err),
                        ("{err}; the model in use stays")
                    );
                }
                Err(_) => {}
            }
        });
        if let Err(err) = spawned {
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Failed,
                ("cannot start a thread to read the model: {err}; the model in use stays")
            );
        }
    }

    /// Restyles a frame, or a part of it, in place.
    fn restyle(
        &self,
        frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
        part: Option<Rectangle>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let mut picture = frame::view(frame, part).map_err(|err| {
            self.post_error_message(err);
            gst::FlowError::Error
        })?;
        if picture.size().pixels() == 0 {
            return Ok(gst::FlowSuccess::Ok);
        }
        let settings = lock(&self.settings).clone();
        let mut state = lock(&self.state);
        // Without one it has said why when it was started.
        let state = state.as_mut().ok_or(gst::FlowError::Error)?;
        if let Some(NamedModel { name, model }) = self.loader.take() {
            gst::info!(CAT, imp = self, "taking the model {name:?}");
            state.stylizer.set_model(model);
            state.gave_up = false;
            lock(&self.stats).model = Some(name);
        }
        if self.reset.swap(false, Ordering::Relaxed) {
            state.stylizer.reset();
        }

        let before = Instant::now();
        let outcome = state.log.hear(|| {
            state.stylizer.set_options(settings.options())?;
            state.stylizer.process(&mut picture)
        });
        let outcome = outcome.map_err(|err| match err {
            EngineError::Cancelled => gst::FlowError::Flushing,
            err => {
                self.post_error_message(engine_error(&err));
                gst::FlowError::Error
            }
        })?;
        let now = Instant::now();
        self.warn(state, outcome, now);

        let started = outcome != Outcome::Continued;
        let mut stats = lock(&self.stats);
        stats.count(now - before, state.stylizer.motion_time(), started);
        if started && let Some(engine) = state.stylizer.engine() {
            stats.backend = Some(engine.backend().name());
            stats.device = Some(engine.device());
        }
        let interval = settings.whole("stats-interval").unwrap_or(0);
        let interval = Duration::from_millis(interval as u64);
        if !interval.is_zero() && stats.report_due(now, interval) {
            let structure = stats.structure();
            drop(stats);
            let obj = self.obj();
            let message = gst::message::Element::builder(structure).src(&*obj).build();
            // Refused only by a bus that nobody reads any more.
            let _ = obj.post_message(message);
        }
        Ok(gst::FlowSuccess::Ok)
    }

    /// Takes over the settings of a file; with none, what was wrong with the last one is forgotten.
    fn read_settings(&self, path: Option<&str>) {
        let found = path.map(|path| Settings::read(Path::new(path))).transpose();
        match found {
            Ok(found) => {
                let found = found.unwrap_or_default();
                *lock(&self.broken_settings) = None;
                lock(&self.settings).take(&found);
                let changed: Vec<_> = found.iter().map(|(setting, _)| setting).collect();
                self.follow(&changed);
                for setting in changed {
                    self.obj().notify(setting.name);
                }
            }
            Err(err) if lock(&self.selection).is_some() => gst::element_imp_warning!(
                self,
                settings_error(&err),
                ("{err}; the settings in use stay")
            ),
            // Nobody may listen yet.
            Err(err) => *lock(&self.broken_settings) = Some(err),
        }
    }

    /// Does what a change of settings asks for besides.
    fn follow(&self, changed: &[&Setting]) {
        if changed.iter().any(|setting| setting.name == "model") {
            self.load_aside();
        }
        let waits = |setting: &&&Setting| setting.change == Change::WithTheNextStart;
        let waiting: Vec<_> = changed.iter().filter(waits).map(|s| s.name).collect();
        if !waiting.is_empty() {
            self.warn_of_what_waits(&waiting);
        }
    }

    /// Tells the bus if these properties, which choose what runs, say something else than what runs.
    fn warn_of_what_waits(&self, names: &[&str]) {
        let wanted = lock(&self.settings).selection();
        let running = lock(&self.selection).clone();
        if running.is_some_and(|running| running != wanted) {
            let (properties, take) = match names {
                [_] => ("property", "takes"),
                _ => ("properties", "take"),
            };
            gst::element_imp_warning!(
                self,
                gst::LibraryError::Settings,
                (
                    "the {properties} {} {take} effect when the element is next started, which it is on \
                     the way from READY to PAUSED; until then everything runs as before",
                    names.join(" and ")
                )
            );
        }
    }

    /// Tells the bus of a state that went wrong.
    fn warn(&self, state: &mut State, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Continued | Outcome::Started => {}
            Outcome::Reseeded => {
                let recent = state
                    .reseed_warning
                    .is_some_and(|then| now.duration_since(then) < RESEED_WARNING_INTERVAL);
                if !recent {
                    state.reseed_warning = Some(now);
                    gst::element_imp_warning!(
                        self,
                        gst::StreamError::Failed,
                        ("the automaton's state was not finite any more and was started anew")
                    );
                }
            }
            Outcome::GaveUp => {
                if !std::mem::replace(&mut state.gave_up, true) {
                    gst::element_imp_warning!(
                        self,
                        gst::StreamError::Failed,
                        ("with this model the automaton's state does not stay finite even when \
                             started anew; frames are shown as they come")
                    );
                }
            }
        }
    }
}

/// Which error of the bus a model error is.
fn resource_error(err: &ModelError) -> gst::ResourceError {
    match err {
        ModelError::NotFound { .. } => gst::ResourceError::NotFound,
        _ => gst::ResourceError::Read,
    }
}

/// Which error of the bus one about a file of settings is.
fn settings_error(err: &SettingsError) -> gst::ResourceError {
    match err {
        SettingsError::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            gst::ResourceError::NotFound
        }
        _ => gst::ResourceError::Read,
    }
}

/// The error of the bus that an engine error is.
fn engine_error(err: &EngineError) -> gst::ErrorMessage {
    match err {
        EngineError::Absent { .. }
        | EngineError::NoDevice { .. }
        | EngineError::NoHalfPrecision { .. } => {
            gst::error_msg!(gst::ResourceError::NotFound, ("{err}"))
        }
        EngineError::DeviceLost { .. } => gst::error_msg!(gst::ResourceError::Failed, ("{err}")),
        EngineError::UnsupportedSize { .. } => gst::error_msg!(gst::StreamError::Format, ("{err}")),
        EngineError::Threads(_) => gst::error_msg!(gst::LibraryError::Init, ("{err}")),
        _ => gst::error_msg!(gst::LibraryError::Failed, ("{err}")),
    }
}

#[glib::object_subclass]
impl ObjectSubclass for NcaFilter {
    const NAME: &'static str = "GstNcaFilter";
    type Type = super::NcaFilter;
    type ParentType = gst_video::VideoFilter;
    type Interfaces = (gst::Preset,);
}

impl ObjectImpl for NcaFilter {
    fn signals() -> &'static [glib::subclass::Signal] {
        static SIGNALS: LazyLock<Vec<glib::subclass::Signal>> = LazyLock::new(|| {
            vec![
                /*
                 * GstNcaFilter::reset:
                 *
                 * Starts the automaton's state anew with the next frame.
                 */
                glib::subclass::Signal::builder("reset")
                    .action()
                    .class_handler(|args| {
                        if let Some(Ok(element)) =
                            args.first().map(|arg| arg.get::<super::NcaFilter>())
                        {
                            element.imp().reset();
                        }
                        None
                    })
                    .build(),
            ]
        });
        &SIGNALS
    }

    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            let mut properties: Vec<_> = TABLE.iter().map(properties::spec).collect();
            properties.extend([
                glib::ParamSpecString::builder("settings-file")
                    .nick("File of settings")
                    .blurb(
                        "Path of a file of settings, as nca-restyle --save-settings writes it: sets the \
                         properties that are in it. What is set later wins",
                    )
                    .write_only()
                    .mutable_playing()
                    .build(),
                glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                    .nick("Statistics")
                    .blurb(
                        "application/x-ncafilter-stats: frames (since the start), \
                         frames-since-reset, average-ms and max-ms (time a frame took, over the \
                         last 128), motion-average-ms (what of it went into motion), and, once known, model, backend, device",
                    )
                    .read_only()
                    .build(),
            ]);
            properties
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        if pspec.name() == "settings-file" {
            let path = value
                .get::<Option<String>>()
                .expect("type checked upstream");
            return self.read_settings(path.filter(|path| !path.is_empty()).as_deref());
        }
        let setting = Setting::named(pspec.name()).expect("all others are of the table");
        let value = properties::setting_value(setting, value);
        let set = lock(&self.settings).set(setting.name, value);
        match set {
            Ok(()) => self.follow(&[setting]),
            Err(err) => gst::warning!(CAT, imp = self, "{err}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        if pspec.name() == "stats" {
            return lock(&self.stats).structure().to_value();
        }
        let setting = Setting::named(pspec.name()).expect("all others are of the table");
        properties::property_value(setting, lock(&self.settings).get(setting.name))
    }
}

impl GstObjectImpl for NcaFilter {}

impl PresetImpl for NcaFilter {}

impl ElementImpl for NcaFilter {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "Neural cellular automaton filter",
                "Filter/Effect/Video",
                "Restyles video with a trained neural cellular automaton",
                "The ncafilter authors",
            )
        });
        Some(&METADATA)
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::PausedToReady {
            // The pads wait for the frame that is under way.
            self.cancel.cancel();
        }
        self.parent_change_state(transition)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static PAD_TEMPLATES: LazyLock<Vec<gst::PadTemplate>> = LazyLock::new(|| {
            let lengths = 1..=MAX_LENGTH as i32;
            let caps = gst_video::VideoCapsBuilder::new()
                .format_list(frame::FORMATS)
                .width_range(lengths.clone())
                .height_range(lengths)
                .build();
            [
                ("sink", gst::PadDirection::Sink),
                ("src", gst::PadDirection::Src),
            ]
            .map(|(name, direction)| {
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                    .expect("the template is complete")
            })
            .into()
        });
        &PAD_TEMPLATES
    }
}

impl BaseTransformImpl for NcaFilter {
    const MODE: gst_base::subclass::BaseTransformMode =
        gst_base::subclass::BaseTransformMode::AlwaysInPlace;
    const PASSTHROUGH_ON_SAME_CAPS: bool = false;
    const TRANSFORM_IP_ON_PASSTHROUGH: bool = false;

    fn start(&self) -> Result<(), gst::ErrorMessage> {
        // Opened first: a model that is set from now on is read aside, one set before is read here.
        self.loader.open();
        let settings = lock(&self.settings).clone();
        let broken = lock(&self.broken_settings)
            .as_ref()
            .map(|err| gst::error_msg!(settings_error(err), ("{err}")));
        let found = match broken {
            Some(message) => Err(message),
            None => NamedModel::find(settings.text("model"), &AtomicBool::new(false))
                .map_err(|err| gst::error_msg!(resource_error(&err), ("{err}"))),
        };
        let NamedModel { name, model } = match found {
            Ok(found) => found,
            Err(message) => {
                // It is told at once, and the first frame ends the stream. Were it the start that
                // fails, no end of the stream would reach those who wait downstream for a frame:
                // obs-gstreamer waits for ever.
                self.loader.close();
                self.post_error_message(message);
                return Ok(());
            }
        };
        gst::info!(CAT, imp = self, "starting with the model {name:?}");
        self.cancel.clear();
        let selection = settings.selection();
        *lock(&self.selection) = Some(selection.clone());
        *lock(&self.stats) = Stats::of(name);
        let stylizer = Stylizer::builder(model)
            .settings(&settings)
            .cancel(self.cancel.clone());
        let stylizer = stylizer.build().map_err(|err| engine_error(&err.into()))?;
        *lock(&self.state) = Some(State {
            stylizer,
            log: LibraryLog::of(&self.obj()),
            info: None,
            reseed_warning: None,
            gave_up: false,
        });
        Ok(())
    }

    fn stop(&self) -> Result<(), gst::ErrorMessage> {
        self.loader.close();
        *lock(&self.selection) = None;
        *lock(&self.state) = None;
        Ok(())
    }

    fn sink_event(&self, event: gst::Event) -> bool {
        match event.type_() {
            // What it is for is thrown away.
            gst::EventType::FlushStart => self.cancel.cancel(),
            // Comes when nothing is under way any more.
            gst::EventType::FlushStop => {
                self.cancel.clear();
                self.reset();
            }
            _ => {}
        }
        self.parent_sink_event(event)
    }

    fn before_transform(&self, buffer: &gst::BufferRef) {
        let obj = self.obj();
        let segment = obj.segment();
        let stream_time = segment
            .downcast_ref::<gst::ClockTime>()
            .and_then(|segment| segment.to_stream_time(buffer.pts()));
        if let Some(stream_time) = stream_time
            && let Err(err) = obj.sync_values(stream_time)
        {
            gst::warning!(CAT, imp = self, "at {stream_time}: {err}");
        }
    }

    fn transform_ip(
        &self,
        buffer: &mut gst::BufferRef,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let info = lock(&self.state)
            .as_ref()
            .and_then(|state| state.info.clone());
        match info.and_then(|info| frame::cropped(buffer, &info)) {
            // The parent maps what the caps say, which is not where a cropped picture lies.
            Some((whole, part)) => {
                let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &whole)
                    .map_err(|err| {
                        gst::element_imp_error!(
                            self,
                            gst::StreamError::Format,
                            ("cannot map a cropped frame: {err}")
                        );
                        gst::FlowError::Error
                    })?;
                self.restyle(&mut frame, Some(part))
            }
            None => self.parent_transform_ip(buffer),
        }
    }
}

impl VideoFilterImpl for NcaFilter {
    fn set_info(
        &self,
        incaps: &gst::Caps,
        in_info: &gst_video::VideoInfo,
        outcaps: &gst::Caps,
        out_info: &gst_video::VideoInfo,
    ) -> Result<(), gst::LoggableError> {
        if in_info.is_interlaced() {
            gst::element_imp_error!(
                self,
                gst::StreamError::Format,
                ("interlaced video cannot be restyled: put the element deinterlace before \
                     ncafilter")
            );
            return Err(gst::loggable_error!(CAT, "interlaced video"));
        }
        if let Some(state) = lock(&self.state).as_mut() {
            state.info = Some(in_info.clone());
            state.stylizer.reset();
        }
        self.parent_set_info(incaps, in_info, outcaps, out_info)
    }

    fn transform_frame_ip(
        &self,
        frame: &mut gst_video::VideoFrameRef<&mut gst::BufferRef>,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        self.restyle(frame, None)
    }
}
