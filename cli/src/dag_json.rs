//! Records as JSON, as DAG-JSON writes them: bytes as {"/":{"bytes":"…base64…"}}. It writes and reads what a record can
//! hold, and nothing else.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use offsetdata_protocol::record::{Record, Value, ValueRef};
use serde_json::{Value as Json, json};

/// A record's fields.
pub(crate) fn write(record: &Record) -> Json {
    let fields = record.view().fields().map(|(name, value)| (name.to_owned(), write_value(&value)));
    Json::Object(fields.collect())
}

fn write_value(value: &ValueRef<'_>) -> Json {
    if let Some(bytes) = value.as_bytes() {
        return json!({ "/": { "bytes": STANDARD_NO_PAD.encode(bytes) } });
    }
    if let Some(text) = value.as_text() {
        return Json::from(text);
    }
    if let Some(list) = value.as_list() {
        return list.map(|value| write_value(&value)).collect();
    }
    match value.as_integer().map(|number| (i64::try_from(number), u64::try_from(number))) {
        Some((Ok(number), _)) => Json::from(number),
        Some((_, Ok(number))) => Json::from(number),
        _ => value.as_number().map_or(Json::Null, Json::from),
    }
}

/// The fields that [`write`] wrote.
pub(crate) fn read(record: &Json) -> anyhow::Result<Vec<(String, Value)>> {
    let fields = record.as_object().context("expected a record: a JSON object")?;
    fields
        .iter()
        .map(|(name, value)| {
            Ok((name.clone(), read_value(value, 0).with_context(|| format!("field {name:?}"))?))
        })
        .collect()
}

fn read_value(value: &Json, depth: usize) -> anyhow::Result<Value> {
    ensure!(depth <= offsetdata_protocol::record::MAX_DEPTH, "lists nest too deep");
    Ok(match value {
        Json::String(text) => Value::Text(text.clone()),
        Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => Value::Integer(number.into()),
            (_, Some(number), _) => Value::Integer(number.into()),
            (_, _, Some(number)) => Value::Float(number),
            _ => bail!("{number} is no number that a record holds"),
        },
        Json::Array(items) => {
            Value::List(items.iter().map(|item| read_value(item, depth + 1)).collect::<anyhow::Result<_>>()?)
        }
        Json::Object(_) => {
            let text = value.pointer("/~1/bytes").and_then(Json::as_str);
            let text =
                text.context("a record holds no objects; bytes are {\"/\":{\"bytes\":\"…base64…\"}}")?;
            Value::Bytes(STANDARD_NO_PAD.decode(text.trim_end_matches('=')).context("expected base64")?)
        }
        Json::Null | Json::Bool(_) => bail!("a record holds neither null nor true and false"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back() {
        let record = Record::from_fields([
            ("image", Value::Bytes(vec![0, 255, 7])),
            ("label", Value::Integer(-3)),
            ("large", Value::Integer(u64::MAX.into())),
            ("list", Value::List(vec![Value::Float(0.5), Value::Text("a".into())])),
        ])
        .unwrap();
        let text = write(&record).to_string();
        assert!(text.contains(r#"{"/":{"bytes":"AP8H"}}"#), "{text}");
        let read = read(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(Record::from_fields(read).unwrap(), record);
    }

    #[test]
    fn what_no_record_holds_is_refused() {
        for wrong in [json!([]), json!({ "a": null }), json!({ "a": true }), json!({ "a": { "b": 1 } })] {
            assert!(read(&wrong).is_err(), "{wrong}");
        }
        assert!(read(&json!({ "a": { "/": { "bytes": "!" } } })).is_err());
    }
}
