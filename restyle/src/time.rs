//! Times as people write them.

/// Reads seconds (`75.5`), minutes and seconds (`1:15.5`) or hours, minutes and seconds.
pub fn parse(text: &str) -> Result<gst::ClockTime, String> {
    const LONGEST_S: f64 = 1e9;
    let wrong = || "a time is seconds (75.5) or hours:minutes:seconds (0:01:15.5)".to_owned();

    let mut parts = text.rsplit(':');
    let seconds: f64 = parts
        .next()
        .filter(|part| part.starts_with(|first: char| first.is_ascii_digit() || first == '.'))
        .and_then(|part| part.parse().ok())
        .ok_or_else(wrong)?;
    let whole = parts
        .map(|part| part.parse::<u32>().ok().filter(|_| !part.starts_with('+')))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(wrong)?;
    let total = match *whole.as_slice() {
        [] => seconds,
        [minutes] if seconds < 60.0 => f64::from(minutes) * 60.0 + seconds,
        [minutes, hours] if seconds < 60.0 && minutes < 60 => {
            f64::from(hours) * 3600.0 + f64::from(minutes) * 60.0 + seconds
        }
        _ => return Err(wrong()),
    };
    if !(0.0..=LONGEST_S).contains(&total) {
        return Err(wrong());
    }
    Ok(gst::ClockTime::from_seconds_f64(total))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn seconds_and_clock_times() {
        for (text, ms) in [
            ("0", 0),
            ("75.5", 75_500),
            (".25", 250),
            ("1:15.5", 75_500),
            ("1:00:01", 3_601_000),
            ("0:02:00", 120_000),
        ] {
            assert_eq!(parse(text), Ok(gst::ClockTime::from_mseconds(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "", ":", "-1", "1:60", "1:60:00", "1::2", "1:2:3:4", "5s", "inf", "1e99", "+5:00",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
