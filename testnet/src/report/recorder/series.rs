//! What was so at many times: at most [`SAMPLES_MAX`], evenly thinned.

use std::time::Duration;

use super::seconds;
use crate::report::Series;

/// When there are more, every second one is dropped.
pub(super) const SAMPLES_MAX: usize = 2_000;

/// What was so at one time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    pub(super) at: Duration,
    pub(super) written: u64,
    pub(super) delivered: u64,
    pub(super) nodes_on: u64,
    pub(super) connections: u64,
    pub(super) mailbox_envelopes: u64,
    pub(super) mailbox_bytes: u64,
    pub(super) received_bytes: u64,
}

/// Keeps every `stride`th sample, and the last.
#[derive(Debug)]
pub(super) struct SeriesLog {
    kept: Vec<Sample>,
    last: Option<Sample>,
    pushed: usize,
    stride: usize,
}

impl Default for SeriesLog {
    fn default() -> Self {
        Self { kept: Vec::new(), last: None, pushed: 0, stride: 1 }
    }
}

impl SeriesLog {
    pub(super) fn push(&mut self, sample: Sample) {
        self.last = Some(sample);
        if self.pushed.is_multiple_of(self.stride) {
            self.kept.push(sample);
            self.last = None;
        }
        self.pushed += 1;
        if self.kept.len() > SAMPLES_MAX {
            self.last = self.last.or(self.kept.last().copied());
            let mut place = 0;
            self.kept.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.stride *= 2;
            // If it was kept it isn't waiting.
            if self.kept.last().map(|kept| kept.at) == self.last.map(|last| last.at) {
                self.last = None;
            }
        }
    }

    pub(super) fn finish(mut self) -> Series {
        self.kept.extend(self.last);
        let each = |value: fn(&Sample) -> u64| self.kept.iter().map(value).collect();
        Series {
            t_s: self.kept.iter().map(|sample| seconds(sample.at)).collect(),
            written: each(|sample| sample.written),
            delivered: each(|sample| sample.delivered),
            nodes_on: each(|sample| sample.nodes_on),
            connections: each(|sample| sample.connections),
            mailbox_envelopes: each(|sample| sample.mailbox_envelopes),
            mailbox_bytes: each(|sample| sample.mailbox_bytes),
            received_bytes: each(|sample| sample.received_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_is_thinned_evenly_and_keeps_its_ends() {
        for count in [1_u64, 2_000, 2_001, 2_002, 8_001, 100_000] {
            let mut log = SeriesLog::default();
            for second in 0..count {
                log.push(Sample { at: Duration::from_secs(second), ..Sample::default() });
            }
            let t_s = log.finish().t_s;
            assert!(t_s.len() <= SAMPLES_MAX + 1, "{} of {count}", t_s.len());
            assert!(t_s.len() as u64 >= count.min(1_000), "{} of {count}", t_s.len());
            assert_eq!(t_s.first(), Some(&0.0));
            assert_eq!(t_s.last(), Some(&((count - 1) as f64)));
            let steps: Vec<_> = t_s.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (_, even) = steps.split_last().unwrap_or((&0.0, &[]));
            assert!(even.iter().all(|step| *step == even[0]), "{count}");
        }
    }
}
