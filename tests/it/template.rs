//! What the SAM template promises: each queue, function, table and bucket is watched, limited and closed.
//!
//! The template is read into the long form of CloudFormation (`!Ref x` is `{"Ref": "x"}`), so that every rule below is
//! a question to a JSON value. Failures name the resource.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A YAML file of this repository as JSON, CloudFormation's short tags in their long form.
pub fn load(path: &str) -> Value {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    to_json(documents.first().unwrap_or_else(|| panic!("{path} is empty")))
}

fn to_json(node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(boolean) => json!(boolean),
            Scalar::Integer(integer) => json!(integer),
            Scalar::FloatingPoint(float) => json!(float.into_inner()),
            Scalar::String(text) => json!(text),
        },
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| {
                let key = to_json(key);
                (key.as_str().map_or_else(|| key.to_string(), str::to_owned), to_json(value))
            })
            .collect(),
        Yaml::Tagged(tag, inner) => {
            let inner = to_json(inner);
            match (tag.suffix.as_str(), inner.as_str()) {
                ("Ref", _) => json!({ "Ref": inner }),
                ("GetAtt", Some(text)) => {
                    let (resource, attribute) = text.split_once('.').unwrap_or((text, ""));
                    json!({ "Fn::GetAtt": [resource, attribute] })
                }
                (function, _) => json!({ (format!("Fn::{function}")): inner }),
            }
        }
        other => panic!("a YAML node that no template needs: {other:?}"),
    }
}

/// The template's resources.
pub struct Template(Value);

impl Template {
    /// Reads it.
    pub fn read() -> Self {
        Self(load("infra/template.yaml"))
    }

    /// Resources of a type: logical id and the whole resource.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let resources = self.0["Resources"].as_object().expect("the template has resources");
        resources
            .iter()
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), resource))
    }

    /// One resource's properties.
    pub fn properties(&self, id: &str) -> &Value {
        let resource = &self.0["Resources"][id];
        assert!(resource.is_object(), "the template has no resource {id}");
        &resource["Properties"]
    }

    /// Method and path of every route, with its logical id.
    pub fn routes(&self) -> BTreeMap<&str, &str> {
        self.of("AWS::ApiGatewayV2::Route")
            .map(|(id, route)| (text(&route["Properties"]["RouteKey"]), id))
            .collect()
    }

    /// Logical id and folder of every function.
    pub fn functions(&self) -> BTreeMap<&str, &str> {
        self.of("AWS::Serverless::Function")
            .map(|(id, function)| {
                let code = text(&function["Properties"]["CodeUri"]);
                let name = code.strip_prefix("../target/lambda/").and_then(|rest| rest.strip_suffix('/'));
                (id, name.unwrap_or_else(|| panic!("{id}: CodeUri is ../target/lambda/<name>/, not {code}")))
            })
            .collect()
    }

    /// The queues, without the dead-letter queues.
    fn queues(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.of("AWS::SQS::Queue").filter(|(id, _)| !id.ends_with("DeadLetterQueue"))
    }

    /// Whether an alarm watches this metric of this resource.
    fn alarmed(&self, metric: &str, dimension: &Value) -> bool {
        self.of("AWS::CloudWatch::Alarm").any(|(_, alarm)| {
            let properties = &alarm["Properties"];
            properties["MetricName"] == metric
                && properties["Dimensions"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|one| one["Value"] == *dimension))
                && properties["AlarmActions"].is_object()
        })
    }

    /// Every statement of every role and policy that exists on AWS, with the resource that holds it.
    pub fn statements(&self) -> Vec<(&str, &Value)> {
        let inline = self.of("AWS::IAM::Role").flat_map(|(id, role)| {
            list(&role["Properties"]["Policies"]).iter().map(move |policy| (id, policy))
        });
        let attached = self
            .of("AWS::IAM::Policy")
            .filter(|(_, policy)| policy["Condition"] != "IsLocal")
            .map(|(id, policy)| (id, &policy["Properties"]));
        inline
            .chain(attached)
            .flat_map(|(id, policy)| {
                list(&policy["PolicyDocument"]["Statement"]).iter().map(move |statement| (id, statement))
            })
            .collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A member that may be one value or a list of them.
fn some(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |all| all.iter().collect())
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("not a number: {value}"))
}

/// The logical id that a `!GetAtt` names.
fn attribute_of(value: &Value) -> &str {
    text(&value["Fn::GetAtt"][0])
}

#[test]
fn every_queue_has_a_dead_letter_queue_and_alarms() {
    let template = Template::read();
    for (id, queue) in template.queues() {
        let redrive = &queue["Properties"]["RedrivePolicy"];
        let dead = attribute_of(&redrive["deadLetterTargetArn"]);
        assert_eq!(dead, id.replace("Queue", "DeadLetterQueue"), "{id} has a dead-letter queue of its own");
        assert!(number(&redrive["maxReceiveCount"]) >= 3, "{id} gives up too early");
        let kept = number(&template.properties(dead)["MessageRetentionPeriod"]);
        assert!(kept > number(&queue["Properties"]["MessageRetentionPeriod"]), "{dead} forgets before {id}");
        assert!(
            template
                .alarmed("ApproximateNumberOfMessagesVisible", &json!({ "Fn::GetAtt": [dead, "QueueName"] })),
            "{dead} has no alarm"
        );
        assert!(
            template.alarmed("ApproximateAgeOfOldestMessage", &json!({ "Fn::GetAtt": [id, "QueueName"] })),
            "{id} has no alarm on waiting tasks"
        );
    }
    for (id, queue) in template.of("AWS::SQS::Queue") {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{id} is not encrypted");
        let refuses_plain_text = template.of("AWS::SQS::QueuePolicy").any(|(_, policy)| {
            list(&policy["Properties"]["Queues"]).contains(&json!({ "Ref": id }))
                && policy.to_string().contains(r#""aws:SecureTransport":"false""#)
        });
        assert!(refuses_plain_text, "{id} takes plain text");
    }
}

#[test]
fn a_task_stays_hidden_for_six_times_its_functions_timeout() {
    let template = Template::read();
    let mut polled = BTreeSet::new();
    for (id, function) in template.of("AWS::Serverless::Function") {
        let timeout = number(&function["Properties"]["Timeout"]);
        for event in
            function["Properties"]["Events"].as_object().into_iter().flat_map(|events| events.values())
        {
            assert_eq!(event["Type"], "SQS", "{id}");
            let source = &event["Properties"];
            let queue = attribute_of(&source["Queue"]);
            let hidden = number(&template.properties(queue)["VisibilityTimeout"]);
            assert!(hidden >= 6 * timeout, "{queue} hides a task for {hidden} s, {id} may take {timeout} s");
            assert_eq!(
                source["FunctionResponseTypes"],
                json!(["ReportBatchItemFailures"]),
                "{id} on {queue}: one bad record would take its batch along"
            );
            assert!(polled.insert(queue), "{queue} has two readers");
            if queue != "SendUrgentQueue" {
                assert!(
                    source["ScalingConfig"]["MaximumConcurrency"].is_i64(),
                    "{queue} has no ceiling, so the urgent lane has no share"
                );
            }
        }
    }
    assert_eq!(polled, template.queues().map(|(id, _)| id).collect(), "every queue has a reader");
}

#[test]
fn every_function_has_its_own_role_log_group_and_alarms() {
    let template = Template::read();
    let mut roles = BTreeSet::new();
    for (id, function) in template.of("AWS::Serverless::Function") {
        let properties = &function["Properties"];
        assert!(roles.insert(attribute_of(&properties["Role"])), "{id} shares its role");
        let logs = template.properties(text(&properties["LoggingConfig"]["LogGroup"]["Ref"]));
        let name = format!("/aws/lambda/${{AWS::StackName}}-{}", template.functions()[id]);
        assert_eq!(logs["LogGroupName"]["Fn::Sub"], name, "{id}");
        for metric in ["Errors", "Throttles"] {
            assert!(template.alarmed(metric, &json!({ "Ref": id })), "{id} has no alarm on {metric}");
        }
        for policy in ["Policies", "Runtime", "Handler"] {
            assert!(properties[policy].is_null(), "{id}: {policy} is the role's or the globals' business");
        }
    }
    for (id, group) in template.of("AWS::Logs::LogGroup") {
        assert_eq!(group["Properties"]["RetentionInDays"], 30, "{id}");
    }
}

#[test]
fn roles_name_what_they_use() {
    let template = Template::read();
    for (id, statement) in template.statements() {
        for action in some(&statement["Action"]) {
            let action = text(action);
            assert!(!action.contains('*'), "{id} grants {action}");
            for resource in some(&statement["Resource"]) {
                // A text to a phone number has no resource; a statement beside it denies every topic.
                let without_resource = action == "sns:Publish";
                assert!(*resource != "*" || without_resource, "{id} grants {action} on everything");
            }
            if statement["Resource"] == json!({ "Fn::GetAtt": ["KeysTable", "Arn"] })
                && action == "dynamodb:DeleteItem"
            {
                assert_eq!(id, "RetentionCleanupRole", "one role alone may delete a school's data key");
            }
        }
    }
    let denied = template.statements().into_iter().any(|(id, statement)| {
        id == "MessageSendRole" && statement["Effect"] == "Deny" && statement["Action"] == "sns:Publish"
    });
    assert!(denied, "message-send may publish to topics");
}

#[test]
fn staff_cannot_choose_their_school() {
    let template = Template::read();
    let client = template.properties("UserPoolClient");
    let names = |list_name: &str| list(&client[list_name]).iter().map(text).collect::<BTreeSet<_>>();
    assert!(names("ReadAttributes").contains("custom:school_id"));
    let writable = names("WriteAttributes");
    assert!(!writable.is_empty(), "without a list of its own, a client may write everything");
    assert!(!writable.iter().any(|name| name.starts_with("custom:")), "the client may write {writable:?}");
    let pool = template.properties("UserPool");
    assert_eq!(
        pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true,
        "users are made by an administrator"
    );
    assert_eq!(pool["MfaConfiguration"], "ON");
    assert_eq!(pool["EnabledMfas"], json!(["SOFTWARE_TOKEN_MFA"]));
    let groups: BTreeSet<_> = template
        .of("AWS::Cognito::UserPoolGroup")
        .map(|(_, group)| text(&group["Properties"]["GroupName"]))
        .collect();
    assert_eq!(groups, BTreeSet::from(["operator", "office", "sender", "approver", "dpo"]));
}

#[test]
fn only_public_routes_go_without_the_authorizer() {
    let template = Template::read();
    for (id, route) in template.of("AWS::ApiGatewayV2::Route") {
        let key = text(&route["Properties"]["RouteKey"]);
        let path = key.split_once(' ').map_or("", |(_, path)| path);
        let expected = if path.starts_with("/v1/schools") { "JWT" } else { "NONE" };
        assert_eq!(route["Properties"]["AuthorizationType"], expected, "{id} ({key})");
    }
    let stage = template.properties("ApiStage");
    assert!(number(&stage["DefaultRouteSettings"]["ThrottlingRateLimit"]) > 0);
    for route in ["POST /v1/verifications", "POST /v1/verifications/{verification_id}/code"] {
        assert!(
            number(&stage["RouteSettings"][route]["ThrottlingRateLimit"]) > 0,
            "{route} has no ceiling of its own"
        );
    }
    let format = text(&stage["AccessLogSettings"]["Format"]);
    for personal in ["sourceIp", "userAgent", "$context.path", "claims"] {
        assert!(!format.contains(personal), "the access log holds {personal}");
    }
}

#[test]
fn tables_expire_only_what_no_hold_can_cover() {
    let template = Template::read();
    let mut tables = BTreeSet::new();
    for (id, table) in template.of("AWS::DynamoDB::Table") {
        tables.insert(id);
        let properties = &table["Properties"];
        assert_eq!(
            properties["TimeToLiveSpecification"]["Enabled"] == true,
            id == "AccessTable",
            "{id}: a timer would erase what is on hold"
        );
        assert_eq!(properties["BillingMode"], "PAY_PER_REQUEST", "{id}");
        let recovery = &properties["PointInTimeRecoverySpecification"];
        assert_eq!(recovery["PointInTimeRecoveryEnabled"] == true, id != "AccessTable", "{id}");
        if id != "AccessTable" {
            assert_eq!(table["DeletionPolicy"], "Retain", "{id}");
        }
        let keys: Vec<_> =
            list(&properties["KeySchema"]).iter().map(|key| text(&key["AttributeName"])).collect();
        assert_eq!(keys, ["pk", "sk"], "{id}");
    }
    assert_eq!(tables, BTreeSet::from(["AccessTable", "DirectoryTable", "KeysTable", "MessagingTable"]));
    let keys = template.properties("KeysTable");
    assert_eq!(keys["DeletionProtectionEnabled"], true);
    assert_eq!(
        keys["PointInTimeRecoverySpecification"]["RecoveryPeriodInDays"], 1,
        "a deleted data key must be gone for good after a day"
    );
    assert_eq!(template.properties("Key")["EnableKeyRotation"], true);
}

#[test]
fn buckets_are_closed_and_forget() {
    let template = Template::read();
    for (id, bucket) in template.of("AWS::S3::Bucket") {
        let properties = &bucket["Properties"];
        assert_eq!(properties["VersioningConfiguration"]["Status"], "Enabled", "{id}");
        for block in ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"] {
            assert_eq!(properties["PublicAccessBlockConfiguration"][block], true, "{id}: {block}");
        }
        let encryption = &properties["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]["ServerSideEncryptionByDefault"];
        assert_eq!(
            (&encryption["SSEAlgorithm"], &encryption["KMSMasterKeyID"]),
            (&json!("aws:kms"), &json!({ "Fn::GetAtt": ["Key", "Arn"] })),
            "{id}"
        );
        let rules = list(&properties["LifecycleConfiguration"]["Rules"]);
        let forgets = rules.iter().any(|rule| {
            rule["Status"] == "Enabled"
                && rule["ExpirationInDays"].is_i64()
                && rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 1
                && rule["AbortIncompleteMultipartUpload"].is_object()
        });
        assert!(forgets, "{id} keeps objects or their versions for ever");
        assert!(properties["CorsConfiguration"].is_null(), "{id}");
        let tls_only = template.of("AWS::S3::BucketPolicy").any(|(_, policy)| {
            policy["Properties"]["Bucket"] == json!({ "Ref": id })
                && policy.to_string().contains(r#""aws:SecureTransport":"false""#)
        });
        assert!(tls_only, "{id} answers plain text");
    }
}

#[test]
fn the_nightly_run_is_scheduled_and_missed_when_it_stays_out() {
    let template = Template::read();
    let schedule = template.properties("NightlySchedule");
    assert_eq!(schedule["ScheduleExpressionTimezone"], "Europe/London");
    assert_eq!(attribute_of(&schedule["Target"]["Arn"]), "RetentionCleanupFunction");
    let input: Value =
        serde_json::from_str(text(&schedule["Target"]["Input"])).expect("the schedule's input is JSON");
    assert_eq!(input, json!({ "kind": "nightly", "time": "<aws.scheduler.scheduled-time>" }));
    let (_, alarm) = template
        .of("AWS::CloudWatch::Alarm")
        .find(|(_, alarm)| {
            alarm["Properties"]["MetricName"] == "schools_overdue"
                && alarm["Properties"]["TreatMissingData"] == "breaching"
        })
        .expect("a dead-man alarm on schools_overdue");
    assert_eq!(alarm["Properties"]["Namespace"], "Bookbag");
    assert_eq!(template.of("AWS::CloudWatch::Dashboard").count(), 1);
}

#[test]
fn edge_case_48_a_file_without_anybody_raises_an_alarm() {
    let template = Template::read();
    let mut alarms = template.of("AWS::CloudWatch::Alarm").map(|(_, alarm)| &alarm["Properties"]);
    let alarm =
        alarms.find(|alarm| alarm["MetricName"] == "empty_uploads").expect("an alarm on empty_uploads");
    assert_eq!((&alarm["Namespace"], &alarm["Threshold"]), (&json!("Bookbag"), &json!(0)));
    assert!(alarm["AlarmActions"].is_object());
}

#[test]
fn outputs_are_complete() {
    let template = Template::read();
    let fixed = [
        "ApiUrl",
        "UserPoolId",
        "UserPoolClientId",
        "UploadsBucket",
        "ExportsBucket",
        "DirectoryTable",
        "MessagingTable",
        "AccessTable",
        "KeysTable",
    ];
    let mut expected: BTreeSet<String> = fixed.map(str::to_owned).into();
    expected.extend(template.of("AWS::SQS::Queue").map(|(id, _)| format!("{id}Url")));
    expected.extend(template.functions().keys().map(|id| (*id).to_owned()));
    let given: BTreeSet<String> =
        template.0["Outputs"].as_object().expect("outputs").keys().cloned().collect();
    let missing: Vec<_> = expected.difference(&given).collect();
    assert!(missing.is_empty(), "the template has no output {missing:?}");
    assert_eq!(template.0["Parameters"]["Architecture"]["Default"], "arm64");
    assert_ne!(
        template.0["Parameters"]["Stage"]["Default"], "local",
        "rules are relaxed by choice, never by default"
    );
}
