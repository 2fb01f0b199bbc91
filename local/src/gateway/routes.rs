//! Matching a request to a route (API Gateway: "Routing API requests").

use std::collections::HashMap;

use crate::cloudformation::Route;

/// The routes of an API.
pub(super) struct Routes(Vec<Route>);

/// A route and the path's variables.
pub struct Match<'a> {
    /// The route.
    pub route: &'a Route,
    /// The values of `{variables}` in its path.
    pub parameters: HashMap<String, String>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// The most specific match: a path spelled out, then one with variables, then `$default`.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Match<'_>> {
        let matching = |key: &Route| {
            let (route_method, route_path) = key.key.split_once(' ')?;
            (route_method == method || route_method == "ANY").then(|| parameters(route_path, path))?
        };
        let mut matches: Vec<_> =
            self.0.iter().filter_map(|route| Some(Match { route, parameters: matching(route)? })).collect();
        matches.sort_by_key(|found| found.parameters.len());
        let default = self.0.iter().find(|route| route.key == "$default");
        let default = default.map(|route| Match { route, parameters: HashMap::new() });
        matches.into_iter().next().or(default)
    }
}

/// The variables of a path that fits a pattern; `None` for one that does not. A variable is one
/// segment, and never empty.
fn parameters(pattern: &str, path: &str) -> Option<HashMap<String, String>> {
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.split('/').collect(), path.split('/').collect());
    if pattern.len() != path.len() {
        return None;
    }
    let mut found = HashMap::new();
    for (expected, actual) in pattern.into_iter().zip(path) {
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) if !actual.is_empty() => drop(found.insert(name.to_owned(), actual.to_owned())),
            None if expected == actual => {}
            _ => return None,
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> String {
        let keys = ["GET /vk", "POST /vk/disconnect", "GET /assets/{file}", "GET /assets/known", "$default"];
        let route = |key: &&str| Route { key: (*key).to_owned(), function: String::new() };
        Routes::new(keys.iter().map(route).collect()).find(method, path).unwrap().route.key.clone()
    }

    #[test]
    fn method_and_path_decide() {
        assert_eq!(found("GET", "/vk"), "GET /vk");
        assert_eq!(found("POST", "/vk/disconnect"), "POST /vk/disconnect");
        assert_eq!(found("GET", "/assets/style.css"), "GET /assets/{file}");
        assert_eq!(found("GET", "/assets/known"), "GET /assets/known");
    }

    #[test]
    fn everything_else_is_the_default() {
        for (method, path) in
            [("POST", "/vk"), ("HEAD", "/vk"), ("GET", "/vk/"), ("GET", "/assets/"), ("GET", "/")]
        {
            assert_eq!(found(method, path), "$default", "{method} {path}");
        }
    }
}
