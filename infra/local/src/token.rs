//! Staff tokens of the local pool: a made-up member of staff per set of roles and school, signed in by an administrator.
//!
//! A role may be written `office#2`: another person in the same role. For a school may stand whatever the claim may hold, such as
//! `sch_…:office sch_…:dpo`: somebody at several.

use serde_json::{Value, json};

use crate::{
    aws::Aws,
    error::{Error, Result},
};

/// Every local user's password. The pool lives inside the emulator on this machine and ends with it.
const PASSWORD: &str = "Bookbag-local-only-1!";

/// Creates the user if need be and returns an ID token.
pub(crate) async fn issue(
    aws: &Aws,
    pool: &str,
    client: &str,
    roles: &[&str],
    school: Option<&str>,
) -> Result<String> {
    let user = user_name(roles, school);
    let mut attributes =
        vec![json!({"Name": "email", "Value": user}), json!({"Name": "email_verified", "Value": "true"})];
    if let Some(school) = school {
        attributes.push(json!({"Name": "custom:school_id", "Value": school}));
    }
    let created = call(
        aws,
        "AdminCreateUser",
        &json!({
            "UserPoolId": pool, "Username": user, "UserAttributes": attributes, "MessageAction": "SUPPRESS", "TemporaryPassword": PASSWORD,
        }),
    )
    .await;
    match created {
        Ok(_) => {}
        // The name says roles and school, so an existing user has the right ones.
        Err(error) if error.to_string().contains("UsernameExistsException") => {}
        Err(error) => return Err(error),
    }
    let password = json!({"UserPoolId": pool, "Username": user, "Password": PASSWORD, "Permanent": true});
    call(aws, "AdminSetUserPassword", &password).await?;
    for role in roles {
        call(
            aws,
            "AdminAddUserToGroup",
            &json!({"UserPoolId": pool, "Username": user, "GroupName": group(role)}),
        )
        .await?;
    }
    let signed_in = call(
        aws,
        "AdminInitiateAuth",
        &json!({
            "UserPoolId": pool,
            "ClientId": client,
            "AuthFlow": "ADMIN_USER_PASSWORD_AUTH",
            "AuthParameters": {"USERNAME": user, "PASSWORD": PASSWORD},
        }),
    )
    .await?;
    // MiniStack asks only users who have enrolled a second factor for it, and these never do.
    signed_in["AuthenticationResult"]["IdToken"].as_str().map(str::to_owned).ok_or_else(|| {
        let challenge = signed_in["ChallengeName"].as_str().unwrap_or("nothing");
        Error::Failed(format!("Signing in {user} led to {challenge} and not to a token."))
    })
}

/// The emulator's pool breaks off now and then where several are signed in at one moment; each call may be made again.
async fn call(aws: &Aws, action: &str, body: &Value) -> Result<Value> {
    const ATTEMPTS: usize = 5;
    let target = format!("AWSCognitoIdentityProviderService.{action}");
    for _ in 1..ATTEMPTS {
        match aws.json("cognito-idp", &target, body).await {
            Err(error) if error.to_string().contains("changed size during iteration") => {}
            answered => return answered,
        }
    }
    aws.json("cognito-idp", &target, body).await
}

/// `office#2` -> `office`.
fn group(role: &str) -> &str {
    role.split('#').next().unwrap_or(role)
}

fn user_name(roles: &[&str], school: Option<&str>) -> String {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    // The tails of the ids tell schools apart, and leave room for several in the part before the `@`.
    let schools = school.unwrap_or("none").split(' ').map(|school| match school.split_once(':') {
        Some((id, roles)) => {
            format!("{}.{}", id.get(id.len().saturating_sub(12)..).unwrap_or(id), roles.replace('+', "-"))
        }
        None => school.to_owned(),
    });
    let schools = schools.collect::<Vec<_>>().join(".");
    format!("{}.{schools}@staff.example.com", roles.join("-").replace('#', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_known_by_roles_and_school() {
        assert_eq!(
            user_name(&["sender", "office", "office"], Some("sch_1")),
            "office-sender.sch_1@staff.example.com"
        );
        assert_eq!(user_name(&["operator"], None), "operator.none@staff.example.com");
        assert_eq!(user_name(&["office#2"], Some("sch_1")), "office2.sch_1@staff.example.com");
        assert_eq!(
            user_name(
                &["office"],
                Some(
                    "sch_019b76da880070008000000000000001:office+dpo sch_019b76da880070008000000000000002:sender"
                )
            ),
            "office.000000000001.office-dpo.000000000002.sender@staff.example.com"
        );
        assert_eq!((group("office#2"), group("office")), ("office", "office"));
    }
}
