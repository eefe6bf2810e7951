//! One document out of many.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The document of all services, as far as they were added.
#[derive(Debug)]
pub struct Merged {
    document: Value,
}

impl Merged {
    /// A document without a path.
    #[must_use]
    pub fn new(title: &str, version: &str) -> Self {
        let document = json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": version },
            "paths": {},
            "components": {},
            "tags": [],
        });
        Self { document }
    }

    /// Adds the document of a service. A component whose name another service has given to something else is called
    /// `<service>.<name>` here, wherever this service refers to it.
    pub fn add(&mut self, service: &str, mut document: Value) {
        self.rename_clashes(service, &mut document);
        for (path, operations) in take(&mut document, "/paths") {
            extend(&mut self.document["paths"][path], operations);
        }
        for (kind, components) in take(&mut document, "/components") {
            extend(&mut self.document["components"][kind], components);
        }
        if let Some(tags) = self.document["tags"].as_array_mut() {
            tags.push(json!({ "name": service }));
        }
    }

    /// The document.
    #[must_use]
    pub fn finish(self) -> Value {
        self.document
    }

    /// Renaming one component changes those that refer to it, which may then clash themselves: until nothing does.
    fn rename_clashes(&self, service: &str, document: &mut Value) {
        loop {
            let clashes = self.clashes(service, document);
            if clashes.is_empty() {
                return;
            }
            for (kind, name) in clashes.values() {
                if let Some(components) = document["components"][kind].as_object_mut()
                    && let Some(component) = components.remove(name)
                {
                    components.insert(format!("{service}.{name}"), component);
                }
            }
            let renamed = clashes
                .into_iter()
                .map(|(from, (kind, name))| (from, pointer(&kind, &format!("{service}.{name}"))))
                .collect();
            replace(document, &renamed);
        }
    }

    fn clashes(&self, service: &str, document: &Value) -> BTreeMap<String, (String, String)> {
        let mut clashes = BTreeMap::new();
        for (kind, components) in document["components"].as_object().into_iter().flatten() {
            for (name, component) in components.as_object().into_iter().flatten() {
                let known = self.document["components"]
                    .get(kind)
                    .and_then(|known| known.get(name));
                if known.is_some_and(|known| known != component)
                    && !name.starts_with(&format!("{service}."))
                {
                    clashes.insert(pointer(kind, name), (kind.clone(), name.clone()));
                }
            }
        }
        clashes
    }
}

fn pointer(kind: &str, name: &str) -> String {
    format!("#/components/{kind}/{name}")
}

fn take(document: &mut Value, at: &str) -> Map<String, Value> {
    match document.pointer_mut(at).map(Value::take) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn extend(into: &mut Value, members: Value) {
    match (into, members) {
        (Value::Object(into), Value::Object(members)) => into.extend(members),
        (into, members) => *into = members,
    }
}

fn replace(value: &mut Value, renamed: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            if let Some(new) = renamed.get(text) {
                text.clone_from(new);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, renamed)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| replace(member, renamed)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(path: &str, schemas: &Value) -> Value {
        json!({
            "openapi": "3.1.0",
            "paths": { path: { "get": { "$ref": "#/components/schemas/Outer" } } },
            "components": { "schemas": schemas },
        })
    }

    #[test]
    fn a_name_that_means_two_things_gets_the_services_name_wherever_it_is_referred_to() {
        let outer = json!({ "items": { "$ref": "#/components/schemas/Item" } });
        let mut merged = Merged::new("t", "1");
        merged.add(
            "a",
            service(
                "/a",
                &json!({ "Outer": outer, "Item": { "type": "string" }, "Same": { "type": "null" } }),
            ),
        );
        merged.add("b", service("/b", &json!({ "Outer": outer, "Item": { "type": "integer" }, "Same": { "type": "null" } })));
        let document = merged.finish();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        assert_eq!(
            schemas.keys().collect::<Vec<_>>(),
            ["Item", "Outer", "Same", "b.Item", "b.Outer"]
        );
        assert_eq!(
            document["paths"]["/a"]["get"]["$ref"],
            "#/components/schemas/Outer"
        );
        assert_eq!(
            document["paths"]["/b"]["get"]["$ref"],
            "#/components/schemas/b.Outer"
        );
        assert_eq!(
            schemas["b.Outer"]["items"]["$ref"],
            "#/components/schemas/b.Item"
        );
        assert_eq!(
            schemas["Outer"]["items"]["$ref"],
            "#/components/schemas/Item"
        );
    }

    #[test]
    fn two_services_may_answer_different_methods_of_one_path() {
        let mut merged = Merged::new("t", "1");
        merged.add("a", json!({ "paths": { "/x": { "get": {} } } }));
        merged.add("b", json!({ "paths": { "/x": { "post": {} } } }));
        assert_eq!(
            merged.finish()["paths"],
            json!({ "/x": { "get": {}, "post": {} } })
        );
    }
}
