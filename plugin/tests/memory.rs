//! Memory stays flat. Alone in its process, where nothing else takes any.

mod common;

use common::*;
use gst::prelude::*;
use gst_video::VideoFormat;

/// Resident memory of this process in KiB; `None` where the system does not say.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// What allocators keep in hand and give back when they like.
const MARGIN: u64 = 8 * 1024;

#[test]
fn memory_stays_flat_over_state_cycles_and_frames() {
    let Some(_) = resident() else {
        println!("skipped: there is no /proc/self/status to read the memory from");
        return;
    };
    init();
    let info = info(VideoFormat::Rgba, 64, 64);
    let cycle = |rig: &mut Rig| {
        rig.element.set_state(gst::State::Null).unwrap();
        rig.element.set_state(gst::State::Playing).unwrap();
        rig.harness
            .push_event(gst::event::StreamStart::new("video"));
        rig.harness
            .push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        rig.harness.push_event(gst::event::Segment::new(&segment));
        rig.restyle(buffer(&info, 0));
    };
    let element = quick_element();
    // Drivers of graphics processors keep books of their own.
    element.set_property_from_str("backend", "cpu");
    let mut rig = Rig::new(&element, &info);
    rig.restyle(buffer(&info, 0));
    for _ in 0..10 {
        cycle(&mut rig);
    }
    let before = resident().unwrap();
    for _ in 0..50 {
        cycle(&mut rig);
    }
    let cycled = resident().unwrap();
    for number in 0..10_000 {
        rig.restyle(buffer(&info, number));
        while rig.harness.try_pull_event().is_some() {}
        while rig.harness.try_pull_upstream_event().is_some() {}
    }
    let after = resident().unwrap();
    assert_eq!(rig.stat::<u64>("frames"), 10_001);
    println!("{before} KiB, after 50 cycles {cycled} KiB, after 10,000 frames {after} KiB");
    assert!(
        cycled <= before + MARGIN,
        "50 cycles took {} KiB",
        cycled - before
    );
    assert!(
        after <= cycled + MARGIN,
        "10,000 frames took {} KiB",
        after - cycled
    );
}
