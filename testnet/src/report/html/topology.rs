//! The drawing of who is linked to whom.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::{Figure, Key};
use super::ink::{Ink, KINDS, LOADS};
use super::plot::{Area, DrawError, WIDTH, letters, scaled, svg, width};
use crate::report::words::{bytes, count};
use crate::report::{NodeReport, Report};

mod layout;

pub(crate) use layout::places;

const HEIGHT: i32 = 520;
const MARGIN: i32 = 26;
/// Nodes have their names up to so many.
const NAMED_MAX: usize = 40;
/// Up to so many are large enough for the number of their group.
const NUMBERED_MAX: usize = 120;
/// Links that are drawn; of more, evenly chosen ones.
const LINKS_MAX: usize = 3_000;

/// The drawing.
pub(super) fn figure(report: &Report) -> Result<Figure, DrawError> {
    let nodes = &report.nodes;
    let clusters: Vec<_> = nodes.iter().map(|node| node.cluster).collect();
    let places = layout::places(&clusters, &report.links);
    let is_named = nodes.len() <= NAMED_MAX;
    // Half of the longest name stands beside its node.
    let longest = nodes.iter().map(|node| width(&node.name)).max().unwrap_or(0);
    let beside =
        if is_named { scaled(MARGIN).max(longest / 2 + scaled(4)) } else { scaled(MARGIN) };
    let at = |node: usize| {
        let (x, y) = places[node];
        let along = |part: f64, size: i32, margin: i32| {
            margin + (part * f64::from(scaled(size) - 2 * margin)).round() as i32
        };
        (along(x, WIDTH, beside), along(y, HEIGHT, scaled(MARGIN)))
    };
    let is_split = nodes.iter().any(|node| node.partition.is_some());
    let most = report.traffic.received_bytes_max;
    let ink = |node: &NodeReport| match node.partition {
        Some(group) => Ink::Kind(group),
        None => Ink::Load(step(node.received_bytes, most)),
    };
    let every = report.links.len().div_ceil(LINKS_MAX).max(1);
    let radius = match nodes.len() {
        0..=40 => 11,
        41..=120 => 8,
        121..=300 => 6,
        _ => 4,
    };
    let drawn = svg(HEIGHT, |area| {
        let thin = report.links.len() > 300;
        let line = Ink::Muted.color().mix(if thin { 0.35 } else { 0.6 });
        for [a, b] in report.links.iter().step_by(every) {
            let style = line.stroke_width(if thin { 1 } else { scaled(1) as u32 });
            area.draw(&PathElement::new([at(*a), at(*b)], style))?;
        }
        for (index, node) in nodes.iter().enumerate() {
            draw_node(area, node, at(index), scaled(radius), ink(node))?;
            let center = Pos::new(HPos::Center, VPos::Center);
            if let Some(group) =
                node.partition.filter(|_| nodes.len() <= NUMBERED_MAX && radius > 7)
            {
                let style = letters(if node.on { Ink::Paper } else { Ink::Text }).pos(center);
                area.draw(&Text::new((group + 1).to_string(), at(index), style))?;
            }
            if is_named {
                let (x, y) = at(index);
                let style = letters(Ink::Text).pos(Pos::new(HPos::Center, VPos::Top));
                area.draw(&Text::new(node.name.clone(), (x, y + scaled(radius + 1)), style))?;
            }
        }
        Ok(())
    })?;

    let mut legend = Vec::new();
    if is_split {
        let groups = nodes.iter().filter_map(|node| node.partition).max().unwrap_or_default();
        for group in 0..=groups.min(KINDS - 1) {
            let size = nodes.iter().filter(|node| node.partition == Some(group)).count();
            legend.push((
                Key::Dot(Ink::Kind(group)),
                format!("group {} of the last partition: {size} nodes", group + 1),
            ));
        }
    } else {
        for load in 0..LOADS {
            let upper = most as f64 * (load + 1) as f64 / LOADS as f64;
            legend.push((Key::Dot(Ink::Load(load)), format!("received up to {}", bytes(upper))));
        }
    }
    for (role, key) in [("full", Key::Circle), ("edge", Key::Square), ("mailbox", Key::Diamond)] {
        let of_role = nodes.iter().filter(|node| node.role == role).count();
        if of_role > 0 {
            legend.push((key, format!("{role} node: {of_role}")));
        }
    }
    let off = nodes.iter().filter(|node| !node.on).count();
    if off > 0 {
        legend.push((Key::Ring, format!("off at the end: {off}")));
    }
    let mut caption = format!(
        "Each sign is a node, each line a link that the scenario gives. The shape tells the role, the colour {}.",
        if is_split {
            "the group of the last partition"
        } else {
            "how many bytes the node received"
        }
    );
    if clusters.iter().any(Option::is_some) {
        caption += " Nodes of one cluster stand together.";
    }
    if every > 1 {
        caption +=
            &format!(" Of {} links every {every}th is drawn.", count(report.links.len() as u64));
    }
    Ok(Figure {
        id: "topology",
        title: "Topology",
        summary: format!("{} nodes and {} links", nodes.len(), report.links.len()),
        svg: drawn,
        legend,
        caption,
    })
}

fn draw_node(
    area: &Area<'_>,
    node: &NodeReport,
    (x, y): (i32, i32),
    r: i32,
    ink: Ink,
) -> Result<(), DrawError> {
    // A thin edge, since what received little is pale.
    let (edge, hole) = (Ink::Muted.color().filled(), Ink::Paper.color().filled());
    let front = ink.color();
    match node.role.as_str() {
        "edge" => {
            let r = r * 9 / 10;
            let corners = |r: i32| [(x - r, y - r), (x + r, y + r)];
            area.draw(&Rectangle::new(corners(r + 1), edge))?;
            area.draw(&Rectangle::new(corners(r), front.filled()))?;
            if !node.on {
                area.draw(&Rectangle::new(corners(r - scaled(2)), hole))?;
            }
        }
        "mailbox" => {
            let r = r * 13 / 10;
            let corners = |r: i32| [(x, y - r), (x + r, y), (x, y + r), (x - r, y)];
            area.draw(&Polygon::new(corners(r + 2), edge))?;
            area.draw(&Polygon::new(corners(r), front.filled()))?;
            if !node.on {
                area.draw(&Polygon::new(corners(r - scaled(3)), hole))?;
            }
        }
        _ => {
            area.draw(&Circle::new((x, y), r + 1, edge))?;
            area.draw(&Circle::new((x, y), r, front.filled()))?;
            if !node.on {
                area.draw(&Circle::new((x, y), r - scaled(2), hole))?;
            }
        }
    }
    Ok(())
}

fn step(received: u64, most: u64) -> usize {
    if most == 0 {
        return 0;
    }
    ((received as f64 / most as f64 * LOADS as f64).ceil() as usize).clamp(1, LOADS) - 1
}
