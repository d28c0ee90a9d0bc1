//! All runs in one sitting: which server when, on which CPUs, and what becomes of the figures.

use std::io;
use std::process::ExitCode;

use crate::cli::{Cli, Subject};
use crate::drive;
use crate::json::Report;
use crate::row::Row;
use crate::server::Server;
use crate::support::sys;
use crate::swarm::Swarm;
use crate::table;
use crate::workload::Workload;

/// Measures everything asked for. Fails if a run failed or the server under test lost, reordered
/// or misrouted a message.
pub(crate) fn hold(cli: &Cli) -> io::Result<ExitCode> {
    let workloads = Workload::all(&cli.only);
    if workloads.is_empty() {
        return Err(io::Error::other(format!("no workload is named like {:?}", cli.only)));
    }
    if cli.servers.contains(&Subject::Hubbub) {
        cli.server_path()?;
    }
    sys::raise_file_limit()?;
    let cpus = sys::allowed_cpus()?;
    let [server_cpu, generator_cpu, ..] = cpus[..] else {
        return Err(io::Error::other("one CPU for the server and one for the generator needed"));
    };
    sys::pin(generator_cpu)?;
    let server_cpus = if cli.shards == 1 { vec![server_cpu] } else { cpus };
    let mut report = Report::new(cli)?;
    let mut sound = true;
    table::print_legend(cli, &server_cpus, generator_cpu);
    for workload in &workloads {
        let rows = run_workload(cli, workload, &server_cpus, &mut sound);
        table::print_block(workload, &cli.servers, &rows);
        report.add(rows)?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_workload(cli: &Cli, workload: &Workload, cpus: &[usize], sound: &mut bool) -> Vec<Row> {
    let mut rows = Vec::new();
    for round in 1..=cli.rounds() {
        for &subject in &cli.servers {
            let label = format!("{}, round {round}, {}", workload.name, subject.name());
            match run(cli, workload, subject, round, cpus) {
                Ok(row) => {
                    let rate = row.deliveries_per_s;
                    eprintln!("{label}: {rate:.0} deliveries/s");
                    *sound &= subject != Subject::Hubbub || row.faultless();
                    rows.push(row);
                }
                Err(error) => {
                    eprintln!("{label}: FAILED, {error}");
                    *sound = false;
                }
            }
        }
    }
    rows
}

fn run(
    cli: &Cli,
    workload: &Workload,
    subject: Subject,
    round: u16,
    cpus: &[usize],
) -> io::Result<Row> {
    let server = Server::start(subject, cli, cpus)?;
    let explain = |error| io::Error::other(format!("{error}\n{}", server.last_words()));
    let mut swarm = Swarm::gather(workload, server.port()).map_err(explain)?;
    let window = drive::drive(&mut swarm, server.pid(), cli.warmup(), cli.window());
    let window = window.map_err(explain)?;
    // While the clients are still there: the server's side closes, no client port has to wait.
    let counted = server.stop()?;
    Ok(Row::new((&workload.name, subject, round), &swarm, &window, counted))
}
