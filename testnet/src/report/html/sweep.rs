//! The page of a sweep: small multiples, and a table of means.

use maud::{Markup, html};

use super::axis::Axis;
use super::figure::{Figure, Key};
use super::ink::{Ink, KINDS};
use super::plot::{self, Layer, Plot};
use super::{DrawError, whole};
use crate::report::measures::{MEASURES, Measure, Unit};
use crate::report::sweep::{Point, Sweep};
use crate::report::words::count;
use crate::scenario::parse_duration;

/// The measures that have a figure and a column, of those that any run has.
const SHOWN: [&str; 9] = [
    "delivery_ratio",
    "latency_p50_s",
    "latency_p99_s",
    "latency_connected_p99_s",
    "spread_half_s",
    "received_bytes_mean",
    "received_bytes_max",
    "amplification",
    "convergence_last_s",
];

/// The page.
pub(in crate::report) fn page(sweep: &Sweep) -> Result<String, DrawError> {
    let any = |measure: &Measure| {
        let mut points = sweep.points.iter();
        SHOWN.contains(&measure.name)
            && points.any(|point| point.statistics(measure.value).is_some())
    };
    let shown: Vec<Measure> = MEASURES.into_iter().filter(any).collect();
    let lines = Lines::of(sweep);
    let figures =
        shown.iter().map(|measure| lines.figure(measure)).collect::<Result<Vec<_>, _>>()?;
    let first = sweep.points.iter().flat_map(|point| &point.runs).map(|(_, report)| report).next();
    let scenario = first.map_or("a scenario", |report| report.scenario.as_str());
    let title = format!("{scenario}: a sweep of {} runs", sweep.runs());
    let body = html! {
                main {
                    header {
                        p.kind { "martlet-testnet sweep" }
                        h1 { (scenario) }
                        @if let Some(report) = first { p { (report.description) } }
                        (verdict(sweep))
                    }
                    (facts(sweep))
                    p { "To do it again, or to go on with it:" }
                    pre { code { (sweep.command) } }
                    (failed(sweep))
                    h2 { "Figures" }
                    p.note { (lines.how_to_read()) }
                    @if !lines.legend.is_empty() {
                        ul.legend { @for (key, words) in &lines.legend { li { (key.markup()) (words) } } }
                    }
                    div.figures.small { @for figure in &figures { (figure.markup()) } }
                    h2 { "Means" }
                    p.note {
                        "Mean ± half of its 95 % confidence interval (Student's); below, the standard deviation of single "
                        "runs. All figures are in summary.csv, those of each run in runs.csv."
                    }
                    (means(sweep, &shown))
                }
                footer { "Written by martlet-testnet. The report of each run is in a directory beside this file." }
    };
    Ok(whole(&title, &body).into_string())
}

fn verdict(sweep: &Sweep) -> Markup {
    let passed: usize = sweep.points.iter().map(Point::passed).sum();
    let (runs, broken) = (sweep.runs(), sweep.failed.len());
    let (class, words) = match (runs - passed, broken) {
        (0, 0) => ("good", format!("✓ all {} runs met their expectations", count(runs as u64))),
        (missed, 0) => ("bad", format!("✗ {missed} of {runs} runs missed an expectation")),
        (missed, broken) => (
            "bad",
            format!("✗ {missed} of {runs} runs missed an expectation, and {broken} gave no report"),
        ),
    };
    html! { p class={ "verdict " (class) } { (words) } }
}

fn facts(sweep: &Sweep) -> Markup {
    let mut seeds: Vec<u64> =
        sweep.points.iter().flat_map(|point| &point.runs).map(|(_, report)| report.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    let origin = sweep
        .points
        .iter()
        .flat_map(|point| &point.runs)
        .find_map(|(_, report)| report.made.origin.as_ref());
    html! {
        dl.facts {
            @if let Some(origin) = origin { div { dt { "Made by" } dd { (origin.program()) } } }
            @for parameter in &sweep.parameters {
                div { dt { code { (parameter.key) } } dd { (parameter.values.join(", ")) } }
            }
            div { dt { "Seeds" } dd { (ranges(&seeds)) } }
            div { dt { "Runs" } dd { (count(sweep.runs() as u64)) } }
        }
        @if let Some(origin) = origin {
            details {
                summary { "The scenario: " (origin.file) }
                pre { code { (origin.text) } }
            }
        }
    }
}

/// "1 to 20, 25".
fn ranges(seeds: &[u64]) -> String {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for seed in seeds {
        match all.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*seed) => *last = *seed,
            Some(_) | None => all.push((*seed, *seed)),
        }
    }
    let said = all.into_iter().map(|(first, last)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    });
    said.collect::<Vec<_>>().join(", ")
}

fn failed(sweep: &Sweep) -> Markup {
    html! {
        @if !sweep.failed.is_empty() {
            h2 { "Runs without a report" }
            table { tbody { @for (name, why) in &sweep.failed {
                tr { th scope="row" { (name) } td { (why) } }
            } } }
        }
    }
}

fn means(sweep: &Sweep, shown: &[Measure]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                @for parameter in &sweep.parameters { th { (parameter.key) } }
                th { "Runs" } th { "Passed" }
                @for measure in shown { th { (measure.title) } }
            } }
            tbody { @for point in &sweep.points {
                tr {
                    @for value in &point.values { th scope="row" { (value) } }
                    td.number { (point.runs.len()) }
                    td.number { (point.passed()) }
                    @for measure in shown { td.number { (mean(point, measure)) } }
                }
            } }
        } }
    }
}

fn mean(point: &Point, measure: &Measure) -> Markup {
    let Some(all) = point.statistics(measure.value) else { return html! { "–" } };
    let said = |value| measure.unit.said(value);
    html! {
        (said(all.mean))
        @if let Some(half) = all.confidence { " ± " (said(half)) }
        @if let Some(deviation) = all.deviation { br; span.note { (said(deviation)) } }
    }
}

/// What is drawn: the points along one parameter, a line for each combination of the others.
struct Lines<'a> {
    /// What the x axis has: a parameter, or the seeds.
    label: String,
    ticks: Vec<(f64, String)>,
    /// Each line's points by their places on the x axis.
    lines: Vec<Vec<(f64, &'a Point)>>,
    legend: Vec<(Key, String)>,
    /// There is one point: its runs stand by their seeds.
    is_by_seed: bool,
    left_out: usize,
}

impl<'a> Lines<'a> {
    fn of(sweep: &'a Sweep) -> Self {
        let along = sweep.parameters.iter().position(|parameter| parameter.values.len() > 1);
        let Some(along) = along else { return Self::by_seed(sweep) };
        let parameter = &sweep.parameters[along];
        let places = places(&parameter.values);
        let mut named: Vec<(String, Vec<(f64, &Point)>)> = Vec::new();
        for point in &sweep.points {
            let others = sweep.parameters.iter().zip(&point.values).enumerate();
            let name: Vec<String> = others
                .filter(|(place, (parameter, _))| *place != along && parameter.values.len() > 1)
                .map(|(_, (parameter, value))| format!("{} = {value}", parameter.key))
                .collect();
            let name = name.join(", ");
            let value = parameter.values.iter().position(|value| *value == point.values[along]);
            let place = value.map_or(0.0, |value| places[value].0);
            match named.iter_mut().find(|(known, _)| *known == name) {
                Some((_, line)) => line.push((place, point)),
                None => named.push((name, vec![(place, point)])),
            }
        }
        let left_out = named.len().saturating_sub(KINDS);
        named.truncate(KINDS);
        let mut legend = Vec::new();
        let mut lines = Vec::new();
        for (kind, (name, mut line)) in named.into_iter().enumerate() {
            line.sort_by(|one, other| one.0.total_cmp(&other.0));
            if !name.is_empty() {
                legend.push((Key::Line(Ink::Kind(kind)), name));
            }
            lines.push(line);
        }
        Self {
            label: parameter.key.clone(),
            ticks: places,
            lines,
            legend,
            is_by_seed: false,
            left_out,
        }
    }

    fn by_seed(sweep: &'a Sweep) -> Self {
        let seeds =
            sweep.points.iter().flat_map(|point| &point.runs).map(|(_, report)| report.seed);
        let seeds: Vec<String> = seeds.map(|seed| seed.to_string()).collect();
        Self {
            label: "seed".to_owned(),
            ticks: places(&seeds),
            lines: sweep.points.iter().take(1).map(|point| vec![(0.0, point)]).collect(),
            legend: Vec::new(),
            is_by_seed: true,
            left_out: 0,
        }
    }

    fn how_to_read(&self) -> String {
        let line = if self.is_by_seed {
            "A dot is a run, by its seed. The line is the mean of all, the band its 95 % confidence interval."
        } else {
            "A dot is a run. The line goes through the means, the band is their 95 % confidence interval: with other seeds \
             the true mean is within it in 95 of 100 sweeps."
        };
        match self.left_out {
            0 => line.to_owned(),
            more => format!("{line} {more} more combinations are in the table only."),
        }
    }

    fn figure(&self, measure: &Measure) -> Result<Figure, DrawError> {
        let mut layers = Vec::new();
        let (mut bands, mut dots, mut means) = (Vec::new(), Vec::new(), Vec::new());
        let mut most = 0.0_f64;
        for (kind, line) in self.lines.iter().enumerate() {
            let (mut band, mut mean) = (Vec::new(), Vec::new());
            let mut dot = Vec::new();
            for (place, point) in line {
                let Some(all) = point.statistics(measure.value) else { continue };
                let (low, high) = all.interval();
                most = most.max(all.max).max(high);
                let ends: Vec<f64> = match self.is_by_seed {
                    true => self.ticks.iter().map(|tick| tick.0).collect(),
                    false => vec![*place],
                };
                band.extend(ends.iter().map(|x| (*x, low.max(0.0), high)));
                mean.extend(ends.iter().map(|x| (*x, all.mean)));
                dot.extend(point.runs.iter().filter_map(|(_, report)| {
                    let seed = report.seed.to_string();
                    let at = match self.is_by_seed {
                        true => self.ticks.iter().find(|tick| tick.1 == seed)?.0,
                        false => *place,
                    };
                    Some((at, (measure.value)(report)?))
                }));
            }
            bands.push(Layer::Band(Ink::Kind(kind), band));
            means.push(Layer::Line(Ink::Kind(kind), mean));
            dots.push(Layer::Dots(Ink::Kind(kind), dot));
        }
        layers.extend(bands);
        layers.extend(means);
        layers.extend(dots);
        let y = match measure.unit {
            Unit::Part => Axis::percent("part"),
            Unit::Count => Axis::count(most, "number"),
            Unit::Ratio => Axis::count(most, "bytes for each"),
            Unit::Time => Axis::seconds(most, "time"),
            Unit::Bytes => Axis::bytes(most, "bytes"),
        };
        let plot = Plot { x: Axis::at(&self.ticks, &self.label), y, layers, marks: Vec::new() };
        Ok(Figure {
            id: measure.name,
            title: measure.title,
            summary: self.summary(measure),
            svg: plot::small(&plot)?,
            legend: Vec::new(),
            caption: self.summary(measure),
        })
    }

    /// The least and the most of the means.
    fn summary(&self, measure: &Measure) -> String {
        let points = self.lines.iter().flatten();
        let means = points.filter_map(|(_, point)| Some(point.statistics(measure.value)?.mean));
        let (least, most) = means.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| {
            (low.min(mean), high.max(mean))
        });
        let said = |value| measure.unit.said(value);
        if self.is_by_seed {
            return format!("mean {}", said(least));
        }
        format!("means from {} to {}", said(least), said(most))
    }
}

/// Where values stand on an axis: by their size, if all have one; else one after the other.
fn places(values: &[String]) -> Vec<(f64, String)> {
    let size = |text: &String| {
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.or_else(|| parse_duration(text).ok().map(|duration| duration.as_secs_f64()))
    };
    let sizes: Option<Vec<f64>> = values.iter().map(size).collect();
    let all_equal = sizes.as_ref().is_some_and(|all| all.iter().all(|one| *one == all[0]));
    let sizes = sizes.filter(|_| !all_equal);
    let places = sizes.unwrap_or_else(|| (0..values.len()).map(|place| place as f64).collect());
    places.into_iter().zip(values.iter().cloned()).collect()
}
