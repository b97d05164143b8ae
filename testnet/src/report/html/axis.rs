//! Axes: what is where, and what stands beside it.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

use crate::report::words::{byte_unit, short, time};

/// From here on counts are told in thousands: longer numbers have no room beside a plot.
const THOUSANDS_MIN: f64 = 20_000.0;

/// Letters of words that stand below a small plot, beside each other.
const TICK_LETTERS: f64 = 34.0;

/// An axis.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    /// What is counted, and in what.
    pub(super) label: String,
    is_log: bool,
    range: Range<f64>,
    ticks: Vec<(f64, String)>,
}

/// Where what is on an axis.
#[derive(Debug)]
pub(super) struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, pixels: (i32, i32)) -> i32 {
        let part = (place - self.range.start) / (self.range.end - self.range.start);
        pixels.0 + (part * f64::from(pixels.1 - pixels.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl Axis {
    /// From 0 to `max`, counted in ones or thousands.
    pub(super) fn count(max: f64, label: &str) -> Self {
        if max >= THOUSANDS_MIN {
            return Self::linear(max, 1000.0, format!("{label} (thousands)"), short);
        }
        Self::linear(max.max(1.0), 1.0, label.to_owned(), short)
    }

    /// From 0 to `max` bytes.
    pub(super) fn bytes(max: f64, label: &str) -> Self {
        let (unit, size) = byte_unit(max);
        Self::linear(max.max(1.0), size, format!("{label} ({unit})"), short)
    }

    /// From 0 to 1, in percent.
    pub(super) fn percent(label: &str) -> Self {
        Self::linear(1.0, 0.01, format!("{label} (%)"), short)
    }

    /// The run, from its start to its end.
    pub(super) fn run(end_s: f64) -> Self {
        let end_s = end_s.max(1.0);
        let units = [("d", 86_400.0, 2.0), ("h", 3_600.0, 2.0), ("min", 60.0, 2.0)];
        let (unit, size, _) = units
            .into_iter()
            .find(|(_, size, least)| end_s >= size * least)
            .unwrap_or(("s", 1.0, 0.0));
        // People divide hours and minutes by these.
        let steps = match unit {
            "h" | "min" => [0.25, 0.5, 1.0, 2.0, 5.0, 6.0, 10.0, 15.0, 20.0],
            _ => [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0],
        };
        let step = steps.into_iter().find(|step| end_s / size / step <= 9.0).unwrap_or(50.0);
        let count = (end_s / size / step + 1e-9) as usize;
        let tick = |place: usize| {
            let value = place as f64 * step;
            (value * size, short(value))
        };
        Self {
            label: format!("time since the start of the run ({unit})"),
            is_log: false,
            range: 0.0..end_s,
            ticks: (0..=count).map(tick).collect(),
        }
    }

    /// From 0 to `max` seconds.
    pub(super) fn seconds(max: f64, label: &str) -> Self {
        let units = [("d", 86_400.0), ("h", 3_600.0), ("min", 60.0), ("s", 1.0)];
        let (unit, size) = units
            .into_iter()
            .find(|(_, size)| max >= size * 2.0)
            .unwrap_or(if max >= 1.0 { ("s", 1.0) } else { ("ms", 0.001) });
        Self::linear(max.max(0.001), size, format!("{label} ({unit})"), short)
    }

    /// Places with words, and some room beside the first and the last; not all words may be shown.
    pub(super) fn at(ticks: &[(f64, String)], label: &str) -> Self {
        let low = ticks.iter().map(|tick| tick.0).fold(f64::INFINITY, f64::min);
        let high = ticks.iter().map(|tick| tick.0).fold(f64::NEG_INFINITY, f64::max);
        let (low, high) = if low.is_finite() { (low, high) } else { (0.0, 0.0) };
        let room = if high > low { (high - low) * 0.06 } else { 1.0 };
        let mut sorted = ticks.to_vec();
        sorted.sort_by(|one, other| one.0.total_cmp(&other.0));
        // What has no room beside the one before is left out.
        let mut shown: Vec<(f64, String)> = Vec::new();
        for tick in sorted {
            let letters = shown.last().map_or(0, |last| last.1.len() + tick.1.len()) as f64 / 2.0;
            let needed = (high - low) * (letters + 1.5) / TICK_LETTERS;
            if shown.last().is_none_or(|last| tick.0 - last.0 >= needed) {
                shown.push(tick);
            }
        }
        Self {
            label: label.to_owned(),
            is_log: false,
            range: low - room..high + room,
            ticks: shown,
        }
    }

    /// Times from `low_s` to `high_s`, logarithmic.
    pub(super) fn log_time(low_s: f64, high_s: f64, label: &str) -> Self {
        let low = low_s.max(1e-6).log10();
        let high = high_s.max(1e-6).log10().max(low + 0.3);
        let even: &[f64] = if high - low < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let small = (-6..=1).flat_map(|k| even.iter().map(move |digit| digit * 10_f64.powi(k)));
        let large: &[f64] = &[60.0, 600.0, 3_600.0, 36_000.0, 172_800.0, 518_400.0, 2_592_000.0];
        let between: &[f64] = &[120.0, 300.0, 1_200.0, 7_200.0, 18_000.0, 86_400.0];
        let between = if high - low < 2.0 { between } else { &[] };
        let mut ticks: Vec<_> = small
            .filter(|tick| *tick < 59.0)
            .chain(large.iter().chain(between).copied())
            .map(|tick| (tick.log10(), time(tick)))
            .filter(|(place, _)| (low - 1e-9..=high + 1e-9).contains(place))
            .collect();
        ticks.sort_by(|one, other| one.0.total_cmp(&other.0));
        if ticks.len() > 10 {
            ticks = ticks.into_iter().step_by(2).collect();
        }
        Self { label: format!("{label} (logarithmic)"), is_log: true, range: low..high, ticks }
    }

    /// Values of the axis's unit to places on it.
    pub(super) fn place(&self, value: f64) -> f64 {
        let place = if self.is_log { value.max(1e-9).log10() } else { value };
        place.clamp(self.range.start, self.range.end)
    }

    /// The part of the axis that is before a value, 0 to 1.
    pub(super) fn part(&self, value: f64) -> f64 {
        (self.place(value) - self.range.start) / (self.range.end - self.range.start)
    }

    /// For plotters.
    pub(super) fn scale(&self) -> Scale {
        let ticks = self.ticks.iter().map(|tick| tick.0).collect();
        Scale { range: self.range.clone(), ticks }
    }

    /// What stands at a tick.
    pub(super) fn tick_label(&self, place: f64) -> String {
        let near = |tick: &&(f64, String)| (tick.0 - place).abs() < 1e-9 * (1.0 + place.abs());
        self.ticks.iter().find(near).map(|tick| tick.1.clone()).unwrap_or_default()
    }

    /// So that `max` is just within, in steps that are 1, 2 or 5 times a power of ten of `unit`.
    fn linear(max: f64, unit: f64, label: String, said: fn(f64) -> String) -> Self {
        let most = max / unit;
        let power = 10_f64.powf((most / 5.0).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| most / step <= 5.5).unwrap_or(power * 10.0);
        let count = (most / step - 1e-9).ceil().max(1.0);
        let tick = |place: usize| (place as f64 * step * unit, said(place as f64 * step));
        Self {
            label,
            is_log: false,
            range: 0.0..count * step * unit,
            ticks: (0..=count as usize).map(tick).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.1.as_str()).collect()
    }

    #[test]
    fn ticks_are_where_people_look_for_them() {
        assert_eq!(said(&Axis::count(500.0, "")), ["0", "100", "200", "300", "400", "500"]);
        assert_eq!(said(&Axis::count(1.0, "")), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(said(&Axis::percent("")), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(said(&Axis::run(900.0)), ["0", "2", "4", "6", "8", "10", "12", "14"]);
        assert_eq!(said(&Axis::run(518_400.0)), ["0", "1", "2", "3", "4", "5", "6"]);
        assert_eq!(said(&Axis::seconds(0.25, "")), ["0", "50", "100", "150", "200", "250"]);
        assert_eq!(Axis::seconds(150.0, "time").label, "time (min)");
        let at = [(50.0, "50".to_owned()), (100.0, "100".to_owned()), (101.0, "101".to_owned())];
        assert_eq!(said(&Axis::at(&at, "")), ["50", "100"]);
        let log = Axis::log_time(0.001, 600.0, "");
        assert_eq!(said(&log), ["1 ms", "10 ms", "100 ms", "1 s", "10 s", "60 s", "10 min"]);
    }
}
