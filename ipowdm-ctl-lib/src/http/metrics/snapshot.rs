//! Figures as of one moment, in the form that the encoder takes.

use crate::controller::Histogram;
use core::fmt;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Name and value of each label.
pub(super) type Labels = Vec<(&'static str, String)>;

/// A figure.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// It only grows.
    Counter(u64),
    /// It goes up and down.
    Gauge(u64),
    /// Durations in seconds.
    Seconds(Box<Histogram>),
    /// What its labels say.
    Info,
}

/// Figures of one name.
#[derive(Debug, Clone)]
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    /// All are of one kind.
    rows: Vec<(Labels, Value)>,
}

impl Family {
    /// One figure without labels.
    pub(super) fn one(name: &'static str, help: &'static str, value: Value) -> Self {
        Self { name, help, rows: vec![(Labels::new(), value)] }
    }

    /// A figure for each value of a label.
    pub(super) fn by(
        name: &'static str,
        help: &'static str,
        label: &'static str,
        rows: impl IntoIterator<Item = (String, Value)>,
    ) -> Self {
        Self { name, help, rows: rows.into_iter().map(|(of, value)| (vec![(label, of)], value)).collect() }
    }

    /// A figure for each set of labels.
    pub(super) const fn labelled(name: &'static str, help: &'static str, rows: Vec<(Labels, Value)>) -> Self {
        Self { name, help, rows }
    }

    pub(super) fn info(name: &'static str, help: &'static str, labels: Labels) -> Self {
        Self { name, help, rows: vec![(labels, Value::Info)] }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        // A name without a figure says nothing.
        let Some((_, first)) = self.rows.first() else { return Ok(()) };
        let mut metric = encoder.encode_descriptor(self.name, self.help, first.unit(), first.kind())?;
        for (labels, value) in &self.rows {
            match value {
                Value::Info => metric.encode_info(labels)?,
                _ if labels.is_empty() => value.encode(&mut metric)?,
                _ => value.encode(&mut metric.encode_family(labels)?)?,
            }
        }
        Ok(())
    }
}

impl Value {
    const fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Seconds(_) => MetricType::Histogram,
            Self::Info => MetricType::Info,
        }
    }

    const fn unit(&self) -> Option<&'static Unit> {
        match self {
            Self::Seconds(_) => Some(&Unit::Seconds),
            _ => None,
        }
    }

    fn encode(&self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
            Self::Gauge(value) => metric.encode_gauge(value),
            Self::Seconds(histogram) => {
                let mut buckets: Vec<(f64, u64)> =
                    histogram.buckets().map(|(bound, count)| (bound.as_secs_f64(), count)).collect();
                let within: u64 = buckets.iter().map(|(_, count)| count).sum();
                buckets.push((f64::INFINITY, histogram.count() - within));
                let sum = histogram.sum().as_secs_f64();
                metric.encode_histogram::<NoLabelSet>(sum, histogram.count(), &buckets, None)
            }
            Self::Info => metric.encode_info(&EMPTY),
        }
    }
}

/// No labels at all.
const EMPTY: [(&str, &str); 0] = [];

/// Figures that are told once.
#[derive(Debug)]
pub(super) struct Snapshot(pub(super) Vec<Family>);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| family.encode(&mut encoder))
    }
}
