//! `run.json`: everything that is known of a run, for programs. Its schema is
//! `loadgen/schema/run.schema.json`.

use std::io;

use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::figures::{Figures, PERCENTILES, quantile};
use crate::result::{RunResult, SCHEMA_VERSION};

/// Everything known of a run.
pub(crate) fn run(result: &RunResult) -> io::Result<String> {
    let times: Map<String, Value> =
        result.times.each().map(|(name, times)| (name.to_owned(), distribution(times))).collect();
    pretty(&json!({
        "schema_version": SCHEMA_VERSION,
        "loadgen": env!("CARGO_PKG_VERSION"),
        "valid": result.invalid.is_empty(),
        "invalid": result.invalid,
        "passed": result.failures.is_empty(),
        "failures": result.failures,
        "setup": result.setup,
        "interrupted": result.interrupted,
        "command": result.command,
        "started_unix_seconds": result.started_unix_seconds,
        "scenario": result.scenario,
        "phases": result.phases,
        "times": times,
        "messages": result.messages,
        "connections": result.connections,
        "connect_error": result.connect_error,
        "server_words": result.server_words,
        "caught_up": result.caught_up,
        "server_end": result.server_end,
        "figures": Figures::of(result),
        "server": result.server,
        "generator": result.generator,
        "timeline": result.timeline,
    }))
}

/// A distribution in numbers. Percentiles with too few samples above them are null.
fn distribution(times: &Histogram<u64>) -> Value {
    let some = |value: Value| if times.is_empty() { Value::Null } else { value };
    let percentiles: Map<String, Value> = PERCENTILES
        .iter()
        .map(|&(key, _, q)| (key.to_owned(), json!(quantile(times, q))))
        .collect();
    json!({
        "count": times.len(),
        "min_ns": some(json!(times.min())),
        "mean_ns": some(json!(times.mean())),
        "deviation_ns": some(json!(times.stdev())),
        "max_ns": some(json!(times.max())),
        "percentiles_ns": percentiles,
    })
}

/// JSON with a line for each value.
pub(crate) fn pretty(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    /// What is wrong with `value` by a part of a JSON schema. It knows the words that our schema
    /// uses and no others, so that a new one cannot go unchecked.
    fn check(schema: &Value, root: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
        for (word, rule) in schema.as_object().expect("schemas are objects") {
            let holds = match word.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" => true,
                "$ref" => {
                    let name = rule.as_str().and_then(|it| it.strip_prefix("#/$defs/"));
                    check(&root["$defs"][name.expect("a local name")], root, value, at, wrong);
                    true
                }
                "type" => match rule {
                    Value::Array(types) => types.iter().any(|it| is_of_type(value, it)),
                    one => is_of_type(value, one),
                },
                "const" => value == rule,
                "enum" => rule.as_array().expect("choices").contains(value),
                "minimum" => value.as_f64().is_none_or(|it| it >= rule.as_f64().expect("a number")),
                "maximum" => value.as_f64().is_none_or(|it| it <= rule.as_f64().expect("a number")),
                "required" => {
                    let missing =
                        |name: &&Value| value.get(name.as_str().expect("a name")).is_none();
                    !value.is_object()
                        || !rule.as_array().expect("names").iter().any(|it| missing(&it))
                }
                "additionalProperties" => {
                    let known = |name: &String| schema["properties"].get(name).is_some();
                    assert_eq!(rule, &json!(false), "of {at}");
                    value.as_object().is_none_or(|it| it.keys().all(known))
                }
                "properties" => {
                    for (name, rule) in rule.as_object().expect("properties") {
                        if let Some(value) = value.get(name) {
                            check(rule, root, value, &format!("{at}.{name}"), wrong);
                        }
                    }
                    true
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        check(rule, root, item, &format!("{at}[{index}]"), wrong);
                    }
                    true
                }
                _ => panic!("the check does not know `{word}` of {at}"),
            };
            if !holds {
                wrong.push(format!("{at}: {word} {rule}, and it is {value}"));
            }
        }
    }

    fn is_of_type(value: &Value, name: &Value) -> bool {
        match name.as_str().expect("a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("the check does not know the type {other}"),
        }
    }

    fn problems(run: &Value) -> Vec<String> {
        let schema = include_str!("../../schema/run.schema.json");
        let schema: Value = serde_json::from_str(schema).expect("the schema is JSON");
        let mut wrong = vec![];
        check(&schema, &schema, run, "run", &mut wrong);
        wrong
    }

    #[test]
    fn every_run_fits_the_schema() {
        for name in fixture::NAMES {
            let text = run(&fixture::named(name)).expect("JSON");
            let value: Value = serde_json::from_str(&text).expect("JSON again");
            assert_eq!(problems(&value), Vec::<String>::new(), "{name}");
            assert_eq!(value["schema_version"], SCHEMA_VERSION);
        }
    }

    #[test]
    fn the_schema_finds_what_does_not_fit() {
        type Break = fn(&mut Value);
        let text = run(&fixture::named("fanout")).expect("JSON");
        let run: Value = serde_json::from_str(&text).expect("JSON again");
        let breaks: [(&str, Break); 4] = [
            ("run.messages: required", |run| {
                run["messages"].as_object_mut().expect("an object").remove("lost");
            }),
            ("run.scenario.arrivals: enum", |run| run["scenario"]["arrivals"] = json!("often")),
            ("run.times.lag.count: type", |run| run["times"]["lag"]["count"] = json!("many")),
            ("run: additionalProperties", |run| run["more"] = json!(1)),
        ];
        for (expected, break_it) in breaks {
            let mut broken = run.clone();
            break_it(&mut broken);
            let wrong = problems(&broken);
            assert!(wrong.len() == 1 && wrong[0].starts_with(expected), "{wrong:?}");
        }
    }
}
