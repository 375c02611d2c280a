//! The chapters of a part of a film.

use crate::part::Cut;

/// The chapters that a part has something of, with times from its start on; `None`: it has none.
pub fn cut(toc: &gst::TocRef, cut: Cut) -> Option<gst::Toc> {
    let entries: Vec<_> = toc
        .entries()
        .iter()
        .filter_map(|it| cut_entry(it, cut))
        .collect();
    if entries.is_empty() {
        return None;
    }
    let mut part = gst::Toc::new(toc.scope());
    let writable = part.make_mut();
    if let Some(tags) = toc.tags() {
        writable.merge_tags(&tags, gst::TagMergeMode::Replace);
    }
    for entry in entries {
        writable.append_entry(entry);
    }
    Some(part)
}

fn cut_entry(entry: &gst::TocEntryRef, cut: Cut) -> Option<gst::TocEntry> {
    let mut part = gst::TocEntry::new(entry.entry_type(), entry.uid());
    let writable = part.make_mut();
    let times = entry.start_stop_times();
    if let Some((start, stop)) = times {
        let (start, stop) = cut_times((start, stop), cut)?;
        writable.set_start_stop_times(start, stop);
    }
    if let Some(tags) = entry.tags() {
        writable.merge_tags(&tags, gst::TagMergeMode::Replace);
    }
    let inner = entry.sub_entries();
    let kept: Vec<_> = inner.iter().filter_map(|it| cut_entry(it, cut)).collect();
    // An edition is nothing but its chapters.
    if kept.is_empty() && !inner.is_empty() {
        return None;
    }
    for entry in kept {
        writable.append_sub_entry(entry);
    }
    Some(part)
}

/// Nanoseconds; a stop below zero is not known.
fn cut_times((start, stop): (i64, i64), cut: Cut) -> Option<(i64, i64)> {
    let begin = i64::try_from(cut.start.nseconds()).ok()?;
    let end = cut.end.and_then(|end| i64::try_from(end.nseconds()).ok());
    if (stop >= 0 && stop <= begin) || end.is_some_and(|end| start >= end) {
        return None;
    }
    let moved = |time: i64| {
        end.map_or(time, |end| time.min(end))
            .saturating_sub(begin)
            .max(0)
    };
    Some((moved(start), if stop < 0 { stop } else { moved(stop) }))
}
