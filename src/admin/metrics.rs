//! The metrics, as Prometheus reads them. Labels are shards and reasons, of which there are so many
//! and no more; never a room, a name or an address.

use std::fmt;
use std::sync::Arc;

use procfs::process::{LimitValue, Process};
use procfs::{ProcResult, WithCurrentSystemInfo};
use prometheus_client::collector::Collector;
pub(super) use prometheus_client::encoding::prometheus_text::CONTENT_TYPE;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric, NoLabelSet,
    prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Facts;
use crate::metrics::table::METRICS;
use crate::metrics::{PROTOCOLS, Snapshot};
use crate::model::{CloseReason, ShardId};

/// All metrics, of this moment.
pub(super) fn encode(facts: &Arc<Facts>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(facts)));
    let mut text = String::new();
    prometheus_text::encode(&mut text, &registry).expect("a string takes everything");
    text
}

impl Collector for Facts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let shards: Vec<(ShardId, Snapshot)> = self.board.shards().collect();
        encode_shards(&mut encoder, &shards)?;
        self.encode_server(&mut encoder)?;
        // Of a process that is not told about itself, there is nothing to tell.
        encode_process(&mut encoder).unwrap_or(Ok(()))
    }
}

fn encode_shards(
    encoder: &mut DescriptorEncoder<'_>,
    shards: &[(ShardId, Snapshot)],
) -> fmt::Result {
    for metric in METRICS {
        let kind = if metric.grows { MetricType::Counter } else { MetricType::Gauge };
        let mut family = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
        for (shard, snapshot) in shards {
            let labels = [("shard", shard.to_string())];
            let one = family.encode_family(&labels)?;
            let number = (metric.read)(snapshot);
            if metric.grows {
                ConstCounter::new(number).encode(one)?;
            } else {
                ConstGauge::new(number).encode(one)?;
            }
        }
    }
    encode_protocols(encoder, shards)?;
    let help = "Clients that are gone, by the reason.";
    let name = "hubbub_connections_closed";
    let mut closed = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (shard, snapshot) in shards {
        for (reason, count) in CloseReason::ALL.into_iter().zip(snapshot.core.closed) {
            let labels = [("shard", shard.to_string()), ("reason", reason.label().to_owned())];
            ConstCounter::new(count).encode(closed.encode_family(&labels)?)?;
        }
    }
    encode_turns(encoder, shards)
}

fn encode_turns(
    encoder: &mut DescriptorEncoder<'_>,
    shards: &[(ShardId, Snapshot)],
) -> fmt::Result {
    let help = "How long turns of the shard took, in which one client may wait for the others.";
    let name = "hubbub_turn_seconds";
    let mut turns = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (shard, snapshot) in shards {
        let labels = [("shard", shard.to_string())];
        let (times, mut one) = (&snapshot.turn_times, turns.encode_family(&labels)?);
        let (seconds, count) = (times.seconds(), times.turns());
        one.encode_histogram::<NoLabelSet>(seconds, count, &times.buckets(), None)?;
    }
    let help = "The longest turn of the shard since the start, in seconds.";
    let name = "hubbub_longest_turn_seconds";
    let mut longest = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (shard, snapshot) in shards {
        let labels = [("shard", shard.to_string())];
        let seconds = snapshot.turn_times.longest_seconds();
        ConstGauge::new(seconds).encode(longest.encode_family(&labels)?)?;
    }
    Ok(())
}

fn encode_protocols(
    encoder: &mut DescriptorEncoder<'_>,
    shards: &[(ShardId, Snapshot)],
) -> fmt::Result {
    let help = "Clients that are connected, by what they speak, and whether within TLS.";
    let name = "hubbub_connections_by_protocol";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (shard, snapshot) in shards {
        for ((protocol, tls), count) in PROTOCOLS.into_iter().zip(snapshot.stock.by_protocol) {
            let labels = [
                ("shard", shard.to_string()),
                ("protocol", protocol.to_owned()),
                ("tls", tls.to_string()),
            ];
            ConstGauge::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

impl Facts {
    fn encode_server(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Connections that were not let in, by the reason.";
        let name = "hubbub_connections_turned_away";
        let mut away = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
        for reason in CloseReason::ALL {
            let labels = [("reason", reason.label())];
            let count = self.board.turned_away(reason);
            ConstCounter::new(count).encode(away.encode_family(&labels)?)?;
        }
        let help = "For how long the shard has been in one turn, in seconds; 0 if it turns.";
        let name = "hubbub_shard_stuck_seconds";
        let mut stuck = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (shard, seconds) in self.board.stuck() {
            let labels = [("shard", shard.to_string())];
            ConstGauge::new(seconds).encode(stuck.encode_family(&labels)?)?;
        }
        self.encode_settings(encoder)?;
        let draining = u32::from(self.board.is_draining());
        gauge(encoder, "hubbub_draining", "Whether the server goes down: 1 if so.", draining)?;
        let help = "Log lines lost because standard error did not take them in time.";
        counter(encoder, "hubbub_log_lines_lost", help, self.lost.count())?;
        let help = "The version of hubbub that is running.";
        let mut build = encoder.encode_descriptor("hubbub_build", help, None, MetricType::Info)?;
        build.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }

    fn encode_settings(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Clients there may be at a time.";
        gauge(encoder, "hubbub_connections_max", help, self.board.connections_max())?;
        let help = "Memory that clients and rooms may take, in bytes.";
        gauge(encoder, "hubbub_memory_max_bytes", help, self.board.memory_bytes_max())?;
        let help = "When the TLS certificate in use expires, in seconds since 1970; 0 if there is \
                    none.";
        let name = "hubbub_certificate_expiry_timestamp_seconds";
        gauge(encoder, name, help, self.board.certificate_expiry())?;
        let (successful, time) = self.board.last_reload();
        let help = "Whether the settings that were read last, at the start or by SIGHUP, hold: 1 \
                    if so.";
        gauge(encoder, "hubbub_config_last_reload_successful", help, u32::from(successful))?;
        let help =
            "When settings were read last, at the start or by SIGHUP, in seconds since 1970.";
        gauge(encoder, "hubbub_config_last_reload_timestamp_seconds", help, time)
    }
}

/// What the system knows of the process, under the names that are usual for it.
fn encode_process(encoder: &mut DescriptorEncoder<'_>) -> ProcResult<fmt::Result> {
    let us = Process::myself()?;
    let stat = us.stat()?;
    let ticks = procfs::ticks_per_second() as f64;
    let cpu = (stat.utime + stat.stime) as f64 / ticks;
    let started = procfs::boot_time_secs()? as f64 + stat.starttime as f64 / ticks;
    let resident = stat.rss_bytes().get();
    let descriptors = us.fd_count()? as u64;
    let descriptors_max = match us.limits()?.max_open_files.soft_limit {
        LimitValue::Value(max) => max as f64,
        LimitValue::Unlimited => f64::INFINITY,
    };
    let mut encode = || {
        counter(encoder, "process_cpu_seconds", "Processor time, of all threads.", cpu)?;
        let help = "Memory that the process has resident.";
        gauge(encoder, "process_resident_memory_bytes", help, resident)?;
        gauge(encoder, "process_open_fds", "Descriptors that are open.", descriptors)?;
        gauge(encoder, "process_max_fds", "Descriptors there may be.", descriptors_max)?;
        let help = "When the process started, in seconds since 1970.";
        gauge(encoder, "process_start_time_seconds", help, started)
    };
    Ok(encode())
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    number: impl EncodeCounterValue,
) -> fmt::Result {
    let one = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    ConstCounter::new(number).encode(one)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    number: impl EncodeGaugeValue,
) -> fmt::Result {
    let one = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    ConstGauge::new(number).encode(one)
}
