//! `template.yaml` as CloudFormation reads it, as far as one machine needs it: functions with their
//! environment, routes and the schedule; and the tables of `infra/data.yaml`.

use std::collections::HashMap;
use std::time::Duration;

use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Value};

/// The template, with parameters given and resources named.
pub struct Template {
    document: Value,
    parameters: HashMap<String, String>,
    attributes: HashMap<String, String>,
}

/// The template says something this reader does not understand.
#[derive(Debug, thiserror::Error)]
#[error("template.yaml: {0}")]
pub struct TemplateError(String);

/// A route of the HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `GET /vk`, or `$default`.
    pub key: String,
    /// The function's folder name.
    pub function: String,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionSpec {
    /// The name of its folder, binary and package.
    pub name: String,
    /// Its environment variables.
    pub environment: HashMap<String, String>,
    /// How long an invocation may take.
    pub timeout: Duration,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSpec {
    /// The name in the template, and on this machine.
    pub logical_id: String,
    /// The table's properties as CloudFormation, and DynamoDB's API, spell them.
    pub properties: Value,
}

/// The tables of `infra/data.yaml`, which need no parameter to be made.
pub fn tables() -> Result<Vec<TableSpec>, TemplateError> {
    let data = Template::parse(include_str!("../../infra/data.yaml"), HashMap::new(), HashMap::new())?;
    let tables = data.resources("AWS::DynamoDB::Table");
    let spec = |(id, properties): (&str, &Value)| TableSpec {
        logical_id: id.to_owned(),
        properties: properties.clone(),
    };
    Ok(tables.map(spec).collect())
}

impl Template {
    /// Reads the template this build was made with.
    ///
    /// `parameters` override the parameters' defaults and say what `Ref` of a resource yields;
    /// `attributes` say what `Fn::GetAtt` yields, by `Resource.Attribute`.
    pub fn read(
        parameters: HashMap<String, String>,
        attributes: HashMap<String, String>,
    ) -> Result<Self, TemplateError> {
        Self::parse(include_str!("../../template.yaml"), parameters, attributes)
    }

    fn parse(
        text: &str,
        parameters: HashMap<String, String>,
        attributes: HashMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let documents = Yaml::load_from_str(text).map_err(|error| TemplateError(error.to_string()))?;
        let document = documents.first().ok_or_else(|| TemplateError("no document".to_owned()))?;
        Ok(Self { document: to_json(document)?, parameters, attributes })
    }

    /// The functions, in the template's order.
    pub fn functions(&self) -> Result<Vec<FunctionSpec>, TemplateError> {
        let functions = self.resources("AWS::Serverless::Function");
        functions.map(|(id, properties)| self.function(id, properties)).collect()
    }

    /// The routes, in the template's order.
    pub fn routes(&self) -> Result<Vec<Route>, TemplateError> {
        let routes = self.resources("AWS::ApiGatewayV2::Route");
        routes.map(|(id, properties)| self.route(id, properties)).collect()
    }

    /// How often the sweep is run.
    pub fn sweep_every(&self) -> Result<Duration, TemplateError> {
        let (_, properties) = self
            .resources("AWS::Scheduler::Schedule")
            .next()
            .ok_or_else(|| TemplateError("no schedule".to_owned()))?;
        let expression = self.text(&properties["ScheduleExpression"])?;
        rate(&expression).ok_or_else(|| TemplateError(format!("schedule {expression}")))
    }

    fn function(&self, id: &str, properties: &Value) -> Result<FunctionSpec, TemplateError> {
        let name = function_name(id, properties)?;
        let empty = Map::new();
        let variables = properties["Environment"]["Variables"].as_object().unwrap_or(&empty);
        let environment = variables.iter().map(|(name, value)| Ok((name.clone(), self.text(value)?)));
        let default = &self.document["Globals"]["Function"]["Timeout"];
        let timeout = properties["Timeout"].as_u64().or(default.as_u64()).unwrap_or(3);
        Ok(FunctionSpec {
            name,
            environment: environment.collect::<Result<_, TemplateError>>()?,
            timeout: Duration::from_secs(timeout),
        })
    }

    fn route(&self, id: &str, properties: &Value) -> Result<Route, TemplateError> {
        let missing = || TemplateError(format!("route {id} leads nowhere"));
        let key = properties["RouteKey"].as_str().ok_or_else(missing)?.to_owned();
        let target = properties["Target"]["Fn::Sub"].as_str().ok_or_else(missing)?;
        let integration = target
            .strip_prefix("integrations/${")
            .and_then(|target| target.strip_suffix('}'))
            .ok_or_else(missing)?;
        let integration = &self.document["Resources"][integration]["Properties"];
        let function = integration["IntegrationUri"]["Fn::GetAtt"].as_str().ok_or_else(missing)?;
        let function = function.strip_suffix(".Arn").ok_or_else(missing)?;
        let properties = &self.document["Resources"][function]["Properties"];
        Ok(Route { key, function: function_name(function, properties)? })
    }

    fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let resources = self.document["Resources"].as_object().into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }

    /// A property's text, with intrinsic functions resolved.
    fn text(&self, value: &Value) -> Result<String, TemplateError> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Object(object) if object.len() == 1 => {
                let (function, argument) =
                    object.iter().next().unwrap_or_else(|| unreachable!("of length 1"));
                self.intrinsic(function, argument)
            }
            other => Err(TemplateError(format!("not a text: {other}"))),
        }
    }

    fn intrinsic(&self, function: &str, argument: &Value) -> Result<String, TemplateError> {
        match (function, argument) {
            ("Ref", Value::String(name)) => self.reference(name),
            ("Fn::GetAtt", Value::String(path)) => self
                .attributes
                .get(path)
                .cloned()
                .ok_or_else(|| TemplateError(format!("nothing stands for {path}"))),
            ("Fn::Sub", Value::String(text)) => self.substitute(text),
            ("Fn::FindInMap", Value::Array(parts)) => match parts.as_slice() {
                [map, key, name] => {
                    let [map, key, name] = [self.text(map)?, self.text(key)?, self.text(name)?];
                    self.text(&self.document["Mappings"][map][key][name])
                }
                _ => Err(TemplateError(format!("Fn::FindInMap {argument}"))),
            },
            ("Fn::If", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(name), then, otherwise] => {
                    let holds = self.condition(&self.document["Conditions"][name.as_str()])?;
                    self.text(if holds { then } else { otherwise })
                }
                _ => Err(TemplateError(format!("Fn::If {argument}"))),
            },
            _ => Err(TemplateError(format!("{function} {argument}"))),
        }
    }

    fn reference(&self, name: &str) -> Result<String, TemplateError> {
        if let Some(value) = self.parameters.get(name) {
            return Ok(value.clone());
        }
        let default = &self.document["Parameters"][name]["Default"];
        self.text(default).map_err(|_| TemplateError(format!("nothing stands for {name}")))
    }

    /// Replaces every `${Name}` and `${Name.Attribute}`.
    fn substitute(&self, text: &str) -> Result<String, TemplateError> {
        let Some((head, rest)) = text.split_once("${") else { return Ok(text.to_owned()) };
        let (name, tail) = rest.split_once('}').ok_or_else(|| TemplateError(format!("Fn::Sub {text}")))?;
        let value = match self.attributes.get(name) {
            Some(value) => value.clone(),
            None => self.reference(name)?,
        };
        Ok(format!("{head}{value}{}", self.substitute(tail)?))
    }

    fn condition(&self, condition: &Value) -> Result<bool, TemplateError> {
        if let [inner] = condition["Fn::Not"].as_array().map(Vec::as_slice).unwrap_or_default() {
            return self.condition(inner).map(|holds| !holds);
        }
        if let [left, right] = condition["Fn::Equals"].as_array().map(Vec::as_slice).unwrap_or_default() {
            return Ok(self.text(left)? == self.text(right)?);
        }
        Err(TemplateError(format!("condition {condition}")))
    }
}

fn function_name(id: &str, properties: &Value) -> Result<String, TemplateError> {
    let folder = properties["CodeUri"].as_str().and_then(|uri| uri.strip_prefix("functions/"));
    folder.map(str::to_owned).ok_or_else(|| TemplateError(format!("function {id} has no folder")))
}

/// `rate(15 minutes)` (EventBridge Scheduler: rate-based schedules).
fn rate(expression: &str) -> Option<Duration> {
    let (count, unit) = expression.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let seconds = match unit.trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    count.parse::<u64>().ok().filter(|count| *count > 0).map(|count| Duration::from_secs(count * seconds))
}

/// YAML as JSON, with the short forms of intrinsic functions written out: `!Ref a` is `{"Ref": "a"}`.
fn to_json(yaml: &Yaml<'_>) -> Result<Value, TemplateError> {
    Ok(match yaml {
        Yaml::Value(scalar) => scalar_to_json(scalar),
        Yaml::Sequence(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.as_str().ok_or_else(|| TemplateError("a key that is no text".to_owned()))?;
                Ok((key.to_owned(), to_json(value)?))
            });
            Value::Object(entries.collect::<Result<_, TemplateError>>()?)
        }
        Yaml::Tagged(tag, inner) => {
            let name = match tag.suffix.as_str() {
                name @ ("Ref" | "Condition") => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            Value::Object(Map::from_iter([(name, to_json(inner)?)]))
        }
        _ => return Err(TemplateError("an anchor, an alias or a broken value".to_owned())),
    })
}

fn scalar_to_json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => Value::Bool(*value),
        Scalar::Integer(value) => Value::from(*value),
        Scalar::FloatingPoint(value) => Value::from(value.into_inner()),
        Scalar::String(value) => Value::String(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r"
Parameters:
  Domain: { Type: String, Default: '' }
  Every: { Type: Number, Default: 15 }
Mappings:
  Periods:
    '1': { Rate: rate(1 minute) }
    '15': { Rate: rate(15 minutes) }
    '0': { Rate: cron(0 * * * ? *) }
Conditions:
  HasDomain: !Not [!Equals [!Ref Domain, '']]
Globals: { Function: { Timeout: 25 } }
Resources:
  PageFunction:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/page
      Environment:
        Variables:
          BASE_URL: !If [HasDomain, !Sub 'https://${Domain}', !GetAtt Api.Endpoint]
          TABLE: !Ref Table
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties: { IntegrationUri: !GetAtt PageFunction.Arn }
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: { RouteKey: GET /vk, Target: !Sub 'integrations/${Integration}' }
  Sweep:
    Type: AWS::Scheduler::Schedule
    Properties: { ScheduleExpression: !FindInMap [Periods, !Ref Every, Rate] }
";

    fn template(parameters: &[(&str, &str)]) -> Template {
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let attributes = owned(&[("Api.Endpoint", "http://localhost:3000")]);
        Template::parse(TEXT, owned(parameters), attributes).unwrap()
    }

    #[test]
    fn a_function_gets_the_environment_the_template_gives_it() {
        let functions = template(&[("Table", "connections")]).functions().unwrap();
        assert_eq!(functions[0].name, "page");
        assert_eq!(functions[0].timeout, Duration::from_secs(25));
        assert_eq!(functions[0].environment["BASE_URL"], "http://localhost:3000");
        assert_eq!(functions[0].environment["TABLE"], "connections");
    }

    #[test]
    fn conditions_choose() {
        let functions = template(&[("Table", "t"), ("Domain", "shop.example")]).functions().unwrap();
        assert_eq!(functions[0].environment["BASE_URL"], "https://shop.example");
    }

    #[test]
    fn what_nothing_stands_for_is_named() {
        let error = template(&[]).functions().unwrap_err().to_string();
        assert_eq!(error, "template.yaml: nothing stands for Table");
    }

    #[test]
    fn routes_lead_to_functions() {
        let routes = template(&[]).routes().unwrap();
        assert_eq!(routes, [Route { key: "GET /vk".into(), function: "page".into() }]);
    }

    #[test]
    fn the_schedule_is_a_rate() {
        assert_eq!(template(&[]).sweep_every().unwrap(), Duration::from_mins(15));
        let faster = template(&[("Every", "1")]);
        assert_eq!(faster.sweep_every().unwrap(), Duration::from_mins(1));
        assert!(template(&[("Every", "0")]).sweep_every().is_err());
    }
}
