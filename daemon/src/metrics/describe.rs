//! How metrics are made: name, help and unit go to the registry, the handle to who counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::{counter, gauge, histogram};
use prometheus_client::registry::{Registry, Unit};

/// Counts up, from zero at the start of the daemon.
pub type Counter = counter::Counter<u64, AtomicU64>;
/// A state: set, never counted.
pub type Gauge = gauge::Gauge<u64, AtomicU64>;
/// How observed values are distributed.
pub type Histogram = histogram::Histogram;

/// A label for each of `N` keys.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Registers metrics. Names are without the prefix, the unit and `_total`, which are added; the
/// full stop of the help is, too.
pub(super) struct Describe<'a>(pub(super) &'a mut Registry);

impl Describe<'_> {
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Counter {
        let counter = Counter::default();
        self.0.register(name, help, counter.clone());
        counter
    }

    /// A counter for each combination of labels that is asked for.
    pub(super) fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        keys: [&'static str; N],
    ) -> impl Fn([&'static str; N]) -> Counter + use<N> {
        let family = Family::<Labels<N>, Counter>::default();
        self.0.register(name, help, family.clone());
        move |values| family.get_or_create_owned(&labels(keys, values))
    }

    /// The same, of bytes.
    pub(super) fn byte_counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        keys: [&'static str; N],
    ) -> impl Fn([&'static str; N]) -> Counter + use<N> {
        let family = Family::<Labels<N>, Counter>::default();
        self.0.register_with_unit(name, help, Unit::Bytes, family.clone());
        move |values| family.get_or_create_owned(&labels(keys, values))
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.0.register(name, help, gauge.clone());
        gauge
    }

    /// A state in bytes.
    pub(super) fn bytes(&mut self, name: &str, help: &str) -> Gauge {
        let gauge = Gauge::default();
        self.0.register_with_unit(name, help, Unit::Bytes, gauge.clone());
        gauge
    }

    /// A state for each combination of labels that is asked for.
    pub(super) fn gauges<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        keys: [&'static str; N],
    ) -> impl Fn([&'static str; N]) -> Gauge + use<N> {
        let family = Family::<Labels<N>, Gauge>::default();
        self.0.register(name, help, family.clone());
        move |values| family.get_or_create_owned(&labels(keys, values))
    }

    /// A distribution of counts, by upper bounds.
    pub(super) fn histogram(&mut self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let histogram = Histogram::new(bounds.iter().copied());
        self.0.register(name, help, histogram.clone());
        histogram
    }

    /// A distribution of durations, by upper bounds in seconds.
    pub(super) fn durations(
        &mut self,
        name: &str,
        help: &str,
        bounds: &'static [f64],
        key: &'static str,
    ) -> impl Fn(&'static str) -> Histogram + use<> {
        let make = move || Histogram::new(bounds.iter().copied());
        let family = Family::<Labels<1>, Histogram, _>::new_with_constructor(make);
        self.0.register_with_unit(name, help, Unit::Seconds, family.clone());
        move |value| family.get_or_create_owned(&labels([key], [value]))
    }
}

fn labels<const N: usize>(keys: [&'static str; N], values: [&'static str; N]) -> Labels<N> {
    std::array::from_fn(|at| (keys[at], values[at]))
}
