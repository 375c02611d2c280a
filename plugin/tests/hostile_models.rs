//! Models that are made to do harm, and files that are none: refused by the element, at its start and
//! while it plays. Alone in its process, where nobody else reads models.

#[path = "../../tests/common/attacks.rs"]
#[allow(dead_code, reason = "what assembles a file is not used")]
mod attacks;
mod common;

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;

/// One test at a time, because threads are counted.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(|error| error.into_inner())
}

/// How many threads of this process read models.
fn readers() -> usize {
    let Ok(threads) = std::fs::read_dir("/proc/self/task") else {
        println!("skipped: there is no /proc/self/task to count the threads in");
        return 0;
    };
    threads
        .filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("comm")).ok())
        .filter(|name| name.trim_end() == "ncafilter-model")
        .count()
}

/// What one complaint says.
fn text(message: &gst::Message) -> String {
    match message.view() {
        gst::MessageView::Error(error) => error.error().message().to_owned(),
        gst::MessageView::Warning(warning) => warning.error().message().to_owned(),
        _ => panic!("{message:?} is no complaint"),
    }
}

#[test]
fn refused_at_start_and_while_playing() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let info = info(VideoFormat::Rgb, 24, 16);
    let playing = quick_element();
    let mut rig = Rig::new(&playing, &info);
    rig.restyle(buffer(&info, 0));
    for (path, words) in attacks::files(folder.path()) {
        let path = path.to_str().unwrap();
        let element = quick_element();
        let bus = gst::Bus::new();
        element.set_bus(Some(&bus));
        element.set_property("model", path);
        // The error is told at once; what ends the stream is the first frame.
        element.set_state(gst::State::Paused).unwrap();
        let said = text(&wait_for(&bus, &[gst::MessageType::Error]));
        assert!(said.contains(path) && said.contains(words), "{said}");
        element.set_state(gst::State::Null).unwrap();

        rig.element.set_property("model", path);
        let said = text(&wait_for(&rig.bus, &[gst::MessageType::Warning]));
        assert!(said.contains(path) && said.contains(words), "{said}");
        assert!(said.contains("the model in use stays"), "{said}");
        rig.restyle(buffer(&info, 1));
        assert_eq!(rig.stat::<String>("model"), "sketch");
    }
    assert!(of_type(&rig.messages(), gst::MessageType::Error).is_empty());
}

#[test]
fn what_reads_a_model_ends_with_the_element() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let info = info(VideoFormat::Rgb, 24, 16);
    for (path, _) in attacks::files(folder.path()) {
        let mut rig = Rig::new(&quick_element(), &info);
        rig.restyle(buffer(&info, 0));
        for _ in 0..3 {
            rig.element.set_property("model", path.to_str().unwrap());
        }
        rig.element.set_state(gst::State::Null).unwrap();
        // The system takes a moment to forget a thread that has ended.
        let patience = Instant::now() + Duration::from_secs(20);
        while readers() > 0 {
            assert!(
                Instant::now() < patience,
                "{} is still read",
                path.display()
            );
            std::thread::yield_now();
        }
    }
}
