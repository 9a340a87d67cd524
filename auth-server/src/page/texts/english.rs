use std::borrow::Cow;

use super::{
    AccountTexts, Around, Done, Notice, PasswordTexts, QuestionTexts, SignInTexts, SignOutTexts, Texts,
};
use crate::user::UnfitPassword;

pub(crate) static TEXTS: Texts = Texts {
    error: "Error: ",
    sign_in: SignInTexts {
        title: "Sign in",
        to_client: Around("to continue to ", ""),
        to_account: "to see and change your account",
        again_title: "Confirm that it is you",
        again: Around(
            "You are signed in as ",
            ". Please enter your password once more to make changes.",
        ),
        user_name: "User name",
        password: "Password",
        submit: "Sign in",
        go_on: "Continue",
        cancel: "Cancel",
        refused: "That did not work. Check the user name and the password. After several wrong attempts, signing in \
                  pauses for 15 minutes.",
        again_refused: "The password is not right. After several wrong attempts, this pauses for 15 minutes.",
        form_expired: "This page is no longer valid. Please sign in again, and allow cookies for this site.",
    },
    question: QuestionTexts {
        confirm_title: Around("Continue to ", "?"),
        signed_in_as: Around("You are signed in as ", "."),
        confirm: Around("Continue only if you opened ", " yourself just now."),
        go_on: "Continue",
        consent_title: Around("Allow ", "?"),
        asks_for: Around("", " asks for permission to:"),
        at: "It may do this at",
        leads_to: Around("If you allow this, you go on to ", "."),
        leads_to_device: "If you allow this, you go on to a program on this device. Allow it only if you opened it \
                          yourself just now.",
        can_be_taken_back: "You can take this back on your account page at any time.",
        allow: "Allow",
        deny: "Do not allow",
        switch: "Use another account",
        cancel: "Cancel",
    },
    sign_out: SignOutTexts {
        title: "Sign out",
        question: "Sign out?",
        client_asks: Around("", " asks to sign you out here, too."),
        nobody_asks: "You are about to sign out of this server.",
        consequence: "Other applications that you opened with this sign-in will ask you to sign in again.",
        submit: "Sign out",
        everywhere: "Sign out everywhere",
        stay: "Stay signed in",
    },
    account: AccountTexts {
        title: "Your account",
        signed_in_as: Around("Signed in as ", ""),
        full_name: "Name",
        email: "E-mail",
        change_password: "Change password",
        sign_out: "Sign out",
        sessions: "Where you are signed in",
        this_session: "This browser",
        unknown_browser: "A browser",
        applications_only: "Applications only",
        signed_in_at: Around("Signed in ", ""),
        used_by: Around("Used by ", ""),
        end_session: "End",
        end_others: "End all others",
        only_session: "You are not signed in anywhere else.",
        more_sessions: "There are more than can be shown here.",
        applications: "Applications with access",
        no_applications: "No application has access to your account.",
        since: Around("Since ", ""),
        revoke: "Remove access",
        done,
    },
    password: PasswordTexts {
        title: "Change your password",
        lead: "Everywhere else you will be signed out.",
        current: "Current password",
        new: "New password",
        hint: "At least 8 characters. A few uncommon words make a good password.",
        repeated: "New password, once more",
        submit: "Change password",
        back: "Back to your account",
        refused: "The current password is not right. After several wrong attempts, changing it pauses for 15 minutes.",
        differ: "The two new passwords are not the same.",
        unchanged: "The new password is the same as the current one.",
        form_expired: "This page was no longer valid. Please try again.",
        unfit,
    },
    scope,
    notice,
};

fn scope(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "openid" => "recognize you when you come back",
        "profile" => "see your name and your user name",
        "email" => "see your e-mail address",
        "address" => "see your postal address",
        "phone" => "see your telephone number",
        "offline_access" => "keep this access while you are away",
        _ => return None,
    })
}

fn done(done: Done) -> &'static str {
    match done {
        Done::SessionEnded => "The session has been ended.",
        Done::OthersEnded => "All other sessions have been ended.",
        Done::Revoked => "The application's access has been removed.",
        Done::PasswordChanged => "Your password has been changed. All other sessions have been ended.",
    }
}

fn unfit(why: &UnfitPassword) -> String {
    format!("The new password {why}")
}

fn notice(notice: Notice) -> (&'static str, Cow<'static, str>) {
    let (title, text) = match notice {
        Notice::Unavailable => (
            "Please try again in a moment",
            "The server cannot answer right now. Nothing was lost: reload this page in a few seconds.",
        ),
        Notice::StartAgain => (
            "Please start again",
            "This address only takes forms. Please go back to the application and start again from there.",
        ),
        Notice::NothingHere => (
            "There is nothing here",
            "Please go back to the application that brought you here.",
        ),
        Notice::UnreadForm => (
            "This request cannot be read",
            "What was sent is not a form of this server. Please go back and try again.",
        ),
        Notice::UnknownClient => (
            "This application is not known here",
            "The link that brought you here names an application that is not registered. Please go back and tell \
             those who run the application.",
        ),
        Notice::UnknownRedirectUri => (
            "This address is not registered",
            "The application asks for an answer at an address that is not registered for it, so nothing was sent. \
             Please go back and tell those who run the application.",
        ),
        Notice::RequestGone => (
            "This link is no longer good",
            "It was used before, it is too old, or it belongs to another browser. Please go back to the application and \
             start again from there, and allow cookies for this site.",
        ),
        Notice::SignedOut => ("You are signed out", "You can close this page."),
        Notice::StillSignedIn => (
            "You are still signed in",
            "Nothing was changed. You can close this page.",
        ),
        Notice::SignOutRefused(refusal) => {
            let text = format!("{refusal} You are still signed in, and nothing was sent anywhere.");
            return ("This sign-out request cannot be followed", text.into());
        }
    };
    (title, text.into())
}
