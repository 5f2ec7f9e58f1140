//! Is every call that a model is shown followed by its result, whatever happened between?

use serde_json::{Value, json};

use super::super::fold::{Item, NewItem, Role};
use super::{Calls, Garbled, Piece, ToolCall, check, messages, paired, settle};
use panelboard_tasks::RunId;

fn call(id: &str) -> Value {
    json!({ "id": id, "name": "f", "arguments": "{}" })
}

fn assistant(text: &str, calls: &[Value]) -> Value {
    json!({ "role": "assistant", "text": text, "tool_calls": calls })
}

fn tool(id: &str) -> Value {
    json!({ "role": "tool", "text": "r", "tool_call_id": id })
}

/// As a model is shown a call.
fn called(id: &str) -> Value {
    let function = json!({ "name": "f", "arguments": "{}" });
    json!({ "id": id, "type": "function", "function": function })
}

fn items(items: Value) -> Vec<NewItem> {
    serde_json::from_value(items).expect("items")
}

/// What the fold has of it, all said by run 1.
fn kept(list: Value) -> Vec<Item> {
    let items = items(list).into_iter().enumerate().map(|(index, item)| {
        let NewItem { role, text, tool_calls, tool_call_id } = item;
        let shown = json!({
            "seq": 7, "index": index, "role": role, "text": text, "run": 1, "owner": 1,
            "at": "", "partial": false, "tool_calls": tool_calls, "tool_call_id": tool_call_id,
        });
        serde_json::from_value(shown).expect("an item")
    });
    items.collect()
}

#[test]
fn a_list_of_tools_is_taken_or_told_what_is_wrong_and_where() {
    let tool = |name: &str| json!({ "type": "function", "function": { "name": name } });
    assert_eq!(check(&json!([])), Ok(()));
    let schema = json!({ "type": "object", "properties": {} });
    let whole = json!({ "type": "function", "function":
        { "name": "a-B_9", "description": "d", "parameters": schema, "strict": true } });
    assert_eq!(check(&json!([whole, tool("b")])), Ok(()));
    let long = "x".repeat(65);
    let many: Vec<Value> = (0..129).map(|number| tool(&format!("f{number}"))).collect();
    assert_eq!(check(&json!(many[..128])), Ok(()));
    for (wrong, at) in [
        (json!({}), "`tools` must be a list"),
        (json!(many), "`tools` has 129, at most 128"),
        (json!([tool("a"), 3]), "`tools/1/type`"),
        (json!([{ "type": "web_search" }]), "`tools/0/type`"),
        (json!([tool("a"), tool("")]), "`tools/1/function/name`"),
        (json!([tool("a b")]), "`tools/0/function/name`"),
        (json!([tool("\u{fc}")]), "`tools/0/function/name`"),
        (json!([tool(&long)]), "`tools/0/function/name`"),
        (json!([tool("a"), tool("b"), tool("a")]), "`tools/2/function/name` must be new"),
        (
            json!([{ "type": "function", "function": { "name": "a", "parameters": [] } }]),
            "`tools/0/function/parameters`",
        ),
    ] {
        let told = check(&wrong).expect_err(&wrong.to_string());
        assert!(told.starts_with(at), "{wrong}: {told}");
    }
}

fn pieces(deltas: &[Value]) -> Result<Vec<ToolCall>, Garbled> {
    let mut calls = Calls::default();
    for delta in deltas {
        for piece in Piece::of(delta) {
            calls.take(piece)?;
        }
    }
    calls.whole("3.1")
}

fn part(index: u64, text: &str) -> Value {
    json!([{ "index": index, "function": { "arguments": text } }])
}

fn head(index: u64, id: &str, name: &str) -> Value {
    let function = json!({ "name": name });
    json!([{ "index": index, "id": id, "type": "function", "function": function }])
}

#[test]
fn calls_come_in_pieces_or_whole_and_each_gets_an_id_of_its_own() {
    let said =
        [head(0, "a", "f"), part(0, "{\"x\""), head(1, "b", "g"), part(1, "{}"), part(0, ":1}")];
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    assert_eq!(pieces(&said), Ok(vec![call("a", "f", "{\"x\":1}"), call("b", "g", "{}")]));
    // Whole, without index and id; with one id for all; with the name said again.
    let whole = json!([{ "function": { "name": "f", "arguments": "1" } },
        { "function": { "name": "g", "arguments": "2" } }]);
    let expected = vec![call("call-3.1.1", "f", "1"), call("call-3.1.2", "g", "2")];
    assert_eq!(pieces(&[whole]), Ok(expected));
    let said = [head(0, "a", "f"), head(1, "a", "f"), head(1, "a", "f")];
    assert_eq!(pieces(&said), Ok(vec![call("a", "f", ""), call("call-3.1.2", "f", "")]));
    assert_eq!(pieces(&[Value::Null, json!({}), json!([])]), Ok(Vec::new()));
    // Nobody knows what is called.
    assert_eq!(pieces(&[head(1, "b", "g")]), Err(Garbled));
    assert_eq!(pieces(&[part(u64::MAX, "x")]), Err(Garbled));
    assert_eq!(pieces(&[head(64, "b", "g")]), Err(Garbled));
    assert_eq!(pieces(&[json!([3, "x", null])]), Err(Garbled));
}

#[test]
fn a_memory_is_taken_if_each_call_has_its_result() {
    let user = json!({ "role": "user", "text": "u" });
    let note = json!({ "text": "n" });
    for good in [
        json!([]),
        json!([user, note]),
        json!([assistant("", &[call("a"), call("b")]), tool("b"), note, tool("a"), user]),
        json!([assistant("", &[call("a")]), tool("a"), assistant("", &[call("a")]), tool("a")]),
    ] {
        assert_eq!(paired(&items(good.clone())), Ok(()), "{good}");
    }
    for (wrong, at) in [
        (json!([assistant("", &[call("a")])]), "`items/0`"),
        (json!([user, assistant("", &[call("a")]), user, tool("a")]), "`items/1`"),
        (json!([assistant("", &[call("a")]), assistant("", &[])]), "`items/0`"),
        (json!([assistant("", &[call("a"), call("a")]), tool("a"), tool("a")]), "`items/0`"),
        (json!([assistant("", &[call("")]), tool("")]), "`items/0`"),
        (json!([user, tool("a")]), "`items/1`"),
        (json!([assistant("", &[call("a")]), tool("a"), tool("a")]), "`items/2`"),
        (json!([{ "role": "tool", "text": "r" }]), "`items/0`"),
        (json!([{ "role": "user", "text": "r", "tool_call_id": "a" }]), "`items/0`"),
        (json!([{ "role": "user", "text": "r", "tool_calls": [call("a")] }]), "`items/0`"),
    ] {
        let told = paired(&items(wrong.clone())).expect_err(&wrong.to_string());
        assert!(told.starts_with(at), "{wrong}: {told}");
    }
}

#[test]
fn what_has_no_result_at_the_end_was_not_called() {
    let user = json!({ "role": "user", "text": "u" });
    let settled = |list: Value| {
        let mut items = kept(list);
        let changed = settle(&mut items, 0, RunId(1));
        (changed, items)
    };
    for (before, after) in [
        (json!([user, assistant("", &[call("a")])]), json!([user])),
        (json!([user, assistant("so", &[call("a")])]), json!([user, assistant("so", &[])])),
        (
            json!([assistant("", &[call("a"), call("b")]), tool("b")]),
            json!([assistant("", &[call("b")]), tool("b")]),
        ),
        (
            json!([assistant("", &[call("a")]), tool("a"), assistant("", &[call("a")]), user]),
            json!([assistant("", &[call("a")]), tool("a"), user]),
        ),
    ] {
        let (changed, items) = settled(before.clone());
        assert!(changed, "{before}");
        let bare = |items: &[Item]| {
            let bare = |item: &Item| {
                let calls = item.tool_calls.clone();
                (item.role, item.text.clone(), calls, item.tool_call_id.clone())
            };
            items.iter().map(bare).collect::<Vec<_>>()
        };
        assert_eq!(bare(&items), bare(&kept(after)), "{before}");
    }
    let whole = json!([assistant("", &[]), assistant("", &[call("a")]), tool("a")]);
    assert_eq!(settled(whole.clone()), (false, kept(whole)));
    // Of another run, or before where it began.
    let mut others = kept(json!([assistant("", &[call("a")])]));
    assert!(!settle(&mut others, 0, RunId(2)) && !settle(&mut others, 1, RunId(1)));
    assert_eq!(others.len(), 1);
}

#[test]
fn a_model_is_shown_results_right_behind_their_calls() {
    let list = json!([
        { "role": "user", "text": "u" },
        { "role": "assistant", "text": "", "tool_calls": [call("a"), call("b")] },
        { "role": "tool", "text": "of a", "tool_call_id": "a" },
        { "role": "note", "text": "n" },
        { "role": "tool", "text": "of b", "tool_call_id": "b" },
        { "role": "assistant", "text": "so" },
    ]);
    let expected = json!([
        { "role": "user", "content": "u" },
        { "role": "assistant", "content": null, "tool_calls": [called("a"), called("b")] },
        { "role": "tool", "tool_call_id": "a", "content": "of a" },
        { "role": "tool", "tool_call_id": "b", "content": "of b" },
        { "role": "system", "content": "n" },
        { "role": "assistant", "content": "so" },
    ]);
    assert_eq!(json!(messages(&kept(list))), expected);
    let role = serde_json::to_value(Role::Tool).expect("a name");
    assert_eq!(role, "tool", "as clients read it");
}
