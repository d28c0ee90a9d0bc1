//! `cargo xtask scaling`: what a delivery costs on one shard and on many, in instructions.
//!
//! Counted under callgrind, with the cores of all shards on one thread: how many there are to run
//! on does not matter for counting work. Times would need that many cores.

mod model;
mod picture;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::icount::callgrind;
use crate::programs::root;
use crate::reports;
use model::{Cell, Model};

/// How many shards.
const SHARDS: [u16; 5] = [1, 2, 4, 8, 16];
/// Members of a room.
const MEMBERS: [u32; 4] = [2, 10, 100, 1000];

/// Counts, fits the model, and writes both into `out`, which must be new.
pub(crate) fn run(out: &str) -> Result<(), String> {
    let folder = root().join(out);
    reports::prepare(&folder)?;
    let cells = count()?;
    let model = Model::fit(&cells).ok_or("these counts determine no model")?;
    let page = page(&cells, &model);
    let files = [
        ("README.md", page.clone()),
        ("scaling.json", format!("{:#}\n", report(&cells, &model))),
        ("scaling.svg", picture::draw(&cells, &model)),
    ];
    reports::write(&folder, &files)?;
    println!("\n{page}\nwritten to {out}");
    Ok(())
}

fn count() -> Result<Vec<Cell>, String> {
    let (bench, profiles): (PathBuf, PathBuf) = (callgrind::build()?, callgrind::profiles()?);
    let mut cells = vec![];
    for members in MEMBERS {
        for shards in SHARDS {
            let cell = cell(&bench, &profiles, shards, members)?;
            println!("{shards:>2} shards, rooms of {members:>4}: {:.1} a delivery", cell.cost);
            cells.push(cell);
        }
    }
    Ok(cells)
}

fn cell(bench: &Path, profiles: &Path, shards: u16, members: u32) -> Result<Cell, String> {
    let arguments = ["--scaling", &shards.to_string(), &members.to_string()];
    let profile = profiles.join(format!("scaling-{shards}-{members}.callgrind"));
    let (instructions, said) = callgrind::instructions(bench, &arguments, &profile)?;
    let counts: Vec<f64> = said.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let [deliveries, messages, hops] = counts[..] else {
        return Err(format!("the bench said {said:?}, and no three numbers"));
    };
    Ok(Cell { shards, members, hops: hops / messages, cost: instructions as f64 / deliveries })
}

fn report(cells: &[Cell], model: &Model) -> Value {
    let (mean, most) = model.errors(cells);
    let cells: Vec<Value> = cells
        .iter()
        .map(|cell| {
            json!({ "shards": cell.shards, "members": cell.members,
                    "hops_per_message": cell.hops, "instructions_per_delivery": cell.cost,
                    "model": model.cost(cell) })
        })
        .collect();
    json!({ "cells": cells,
            "model": { "delivery": model.delivery, "message": model.message, "hop": model.hop,
                       "error_root_mean_square": mean, "error_most": most } })
}

fn page(cells: &[Cell], model: &Model) -> String {
    let rows = |show: &dyn Fn(&Cell) -> String| -> String {
        let row = |members: &u32| {
            let of_size = cells.iter().filter(|cell| cell.members == *members);
            let cells: Vec<String> = of_size.map(show).collect();
            format!("| {members} | {} |\n", cells.join(" | "))
        };
        MEMBERS.iter().map(row).collect()
    };
    let alone = |of: &Cell| {
        let mut same = cells.iter().filter(|cell| cell.members == of.members);
        same.find(|cell| cell.shards == 1).map_or(f64::NAN, |cell| cell.cost)
    };
    let heads = SHARDS.map(|shards| format!(" {shards} |")).concat();
    let head = format!("| members |{heads}\n|---:|{}", "---:|".repeat(SHARDS.len()));
    let (mean, most) = model.errors(cells);
    format!(
        "# What more shards cost\n\n\
         Instructions of the server for each delivery, from `cargo xtask scaling`: counted under \
         callgrind, the cores of all shards on one thread. The members of each room are spread \
         over all shards, and in each turn one of them says one line, so that no hop hides among \
         others. Two runs differ by up to 2 %, as maps are seeded at random.\n\n\
         ![Instructions a delivery, by shards](scaling.svg)\n\n\
         ## Counted: instructions a delivery, by shards\n\n{head}\n{counted}\n\
         ## Counted: messages between shards for each that is said\n\n{head}\n{hops}\n\
         ## The model, not measured\n\n\
         `c = a + (m + h · k) / F`: each of the room's F members is served for a = {a:.0} \
         instructions, a message is read and rendered for m = {m:.0}, and brought to other shards \
         in k hops for h = {h:.0} each, which its F deliveries share. m has nothing to do \
         with shards: it is why small rooms cost more on one, too. Of what was \
         counted it is off by {mean:.1} % (root mean square), {most:.1} % at most.\n\n\
         Efficiency, what a delivery costs on one shard as a part of what it costs on N. That is \
         an upper bound: memory bandwidth, caches and the kernel, which all shards share, are not \
         in it.\n\n{head}\n{efficiency}\n\
         ## What is not counted\n\n\
         The channel between two shards and its bell: `hop` and `hop-asleep` in `results/icount`, \
         once for each parcel, which carries all of a turn's messages from one shard to another. \
         And the kernel: a write takes it some microseconds, about ten times what a hop takes, \
         so that of a real delivery a hop is a smaller part than these figures say. CPU time on \
         two real shards beside one is at the end of the table of `cargo bench --bench \
         throughput`.\n",
        counted = rows(&|cell| format!("{:.1}", cell.cost)),
        hops = rows(&|cell| format!("{:.2}", cell.hops)),
        efficiency = rows(&|cell| format!("{:.0} %", 100.0 * alone(cell) / cell.cost)),
        a = model.delivery,
        m = model.message,
        h = model.hop,
        mean = mean * 100.0,
        most = most * 100.0,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_cell_and_the_model() {
        let mut cells = vec![];
        for members in MEMBERS {
            for shards in SHARDS {
                let hops = f64::from(shards - 1);
                let cost = 40.0 + (500.0 + 1000.0 * hops) / f64::from(members);
                cells.push(Cell { shards, members, hops, cost });
            }
        }
        let model = Model::fit(&cells).expect("it is determined");
        let page = page(&cells, &model);
        for part in [
            "| 2 | 290.0 | 790.0 |",
            "| 2 | 0.00 | 1.00 |",
            "| 2 | 100 % | 37 % |",
            "a = 40 instructions",
            "h = 1000 each",
            "upper bound",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert_eq!(report(&cells, &model)["cells"].as_array().map(Vec::len), Some(20));
    }
}
