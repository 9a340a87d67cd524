use std::borrow::Cow;

use zxcvbn::feedback::Warning;

use super::{
    AccountTexts, Around, Done, Notice, PasswordTexts, QuestionTexts, SignInTexts, SignOutTexts, Texts,
};
use crate::logout::request::LogoutRefusal;
use crate::user::{LONGEST_PASSWORD, SHORTEST_PASSWORD, UnfitPassword, Weakness};

// No particle that changes with the sound before it follows a name.
pub(crate) static TEXTS: Texts = Texts {
    error: "오류: ",
    sign_in: SignInTexts {
        title: "로그인",
        to_client: Around("", "에서 계속하려면 로그인하세요."),
        to_account: "계정을 확인하고 변경하려면 로그인하세요.",
        again_title: "본인 확인",
        again: Around(
            "",
            " 계정으로 로그인되어 있습니다. 변경하려면 비밀번호를 다시 입력하세요.",
        ),
        user_name: "사용자 이름",
        password: "비밀번호",
        submit: "로그인",
        go_on: "계속",
        cancel: "취소",
        refused: "로그인하지 못했습니다. 사용자 이름과 비밀번호를 확인하세요. 여러 번 잘못 입력하면 15분 동안 \
                  로그인할 수 없습니다.",
        again_refused: "비밀번호가 올바르지 않습니다. 여러 번 잘못 입력하면 15분 동안 다시 시도할 수 없습니다.",
        form_expired: "페이지가 만료되었습니다. 이 사이트의 쿠키를 허용한 뒤 다시 로그인하세요.",
    },
    question: QuestionTexts {
        confirm_title: Around("", "에서 계속할까요?"),
        signed_in_as: Around("", " 계정으로 로그인되어 있습니다."),
        confirm: Around("방금 ", " 앱을 직접 연 경우에만 계속하세요."),
        go_on: "계속",
        consent_title: Around("", " 앱의 접근을 허용할까요?"),
        asks_for: Around("", " 앱에서 다음 권한을 요청합니다."),
        at: "사용 위치:",
        leads_to: Around("허용하면 ", " 사이트로 이동합니다."),
        leads_to_device: "허용하면 이 기기의 프로그램으로 이동합니다. 방금 직접 연 경우에만 허용하세요.",
        can_be_taken_back: "계정 페이지에서 언제든지 허용을 취소할 수 있습니다.",
        allow: "허용",
        deny: "허용 안 함",
        switch: "다른 계정 사용",
        cancel: "취소",
    },
    sign_out: SignOutTexts {
        title: "로그아웃",
        question: "로그아웃할까요?",
        client_asks: Around("", "에서 이 서버에서도 로그아웃하도록 요청했습니다."),
        nobody_asks: "이 서버에서 로그아웃합니다.",
        consequence: "이 로그인으로 연 다른 앱에서도 다시 로그인해야 합니다.",
        submit: "로그아웃",
        everywhere: "모든 곳에서 로그아웃",
        stay: "로그인 유지",
    },
    account: AccountTexts {
        title: "내 계정",
        signed_in_as: Around("", " 계정으로 로그인됨"),
        full_name: "이름",
        email: "이메일",
        change_password: "비밀번호 변경",
        sign_out: "로그아웃",
        sessions: "로그인된 곳",
        this_session: "현재 브라우저",
        unknown_browser: "브라우저",
        applications_only: "앱만 연결됨",
        signed_in_at: Around("로그인: ", ""),
        used_by: Around("사용 중인 앱: ", ""),
        end_session: "로그아웃",
        end_others: "다른 곳에서 모두 로그아웃",
        only_session: "다른 곳에는 로그인되어 있지 않습니다.",
        more_sessions: "여기에 표시할 수 없는 항목이 더 있습니다.",
        applications: "접근 권한이 있는 앱",
        no_applications: "계정에 접근할 수 있는 앱이 없습니다.",
        since: Around("", "부터"),
        revoke: "권한 삭제",
        done,
    },
    password: PasswordTexts {
        title: "비밀번호 변경",
        lead: "변경하면 다른 모든 곳에서 로그아웃됩니다.",
        current: "현재 비밀번호",
        new: "새 비밀번호",
        hint: "8자 이상 입력하세요. 흔하지 않은 단어 몇 개를 이어 쓰면 좋습니다.",
        repeated: "새 비밀번호 확인",
        submit: "비밀번호 변경",
        back: "내 계정으로 돌아가기",
        refused: "현재 비밀번호가 올바르지 않습니다. 여러 번 잘못 입력하면 15분 동안 변경할 수 없습니다.",
        differ: "새 비밀번호가 서로 일치하지 않습니다.",
        unchanged: "새 비밀번호가 현재 비밀번호와 같습니다.",
        form_expired: "페이지가 만료되었습니다. 다시 시도하세요.",
        unfit,
    },
    scope,
    notice,
};

fn scope(scope: &str) -> Option<&'static str> {
    Some(match scope {
        "openid" => "다시 방문할 때 본인 식별",
        "profile" => "이름과 사용자 이름 보기",
        "email" => "이메일 주소 보기",
        "address" => "우편 주소 보기",
        "phone" => "전화번호 보기",
        "offline_access" => "자리를 비운 동안에도 권한 유지",
        _ => return None,
    })
}

fn done(done: Done) -> &'static str {
    match done {
        Done::SessionEnded => "선택한 곳에서 로그아웃했습니다.",
        Done::OthersEnded => "다른 모든 곳에서 로그아웃했습니다.",
        Done::Revoked => "앱의 접근 권한을 삭제했습니다.",
        Done::PasswordChanged => "비밀번호를 변경하고 다른 모든 곳에서 로그아웃했습니다.",
    }
}

fn unfit(why: &UnfitPassword) -> String {
    match why {
        UnfitPassword::TooShort => format!("새 비밀번호는 {SHORTEST_PASSWORD}자 이상이어야 합니다."),
        UnfitPassword::TooLong => format!("새 비밀번호는 {LONGEST_PASSWORD}바이트 이하여야 합니다."),
        UnfitPassword::IsTheName => "새 비밀번호는 사용자 이름과 달라야 합니다.".to_owned(),
        UnfitPassword::Guessable(weakness) => guessable(weakness),
    }
}

fn guessable(weakness: &Weakness) -> String {
    let mut text = "새 비밀번호가 추측하기 너무 쉽습니다.".to_owned();
    if weakness.is_known_of_user {
        text.push_str(" 이름이나 주소로 이루어져 있습니다.");
    }
    if let Some(warning) = weakness.warning {
        text.push(' ');
        text.push_str(warned(warning));
    }
    text.push_str(" 흔하지 않은 단어를 한두 개 더 추가하세요.");
    text
}

const fn warned(warning: Warning) -> &'static str {
    match warning {
        Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess => {
            "키보드에서 이어지는 글자는 추측하기 쉽습니다."
        }
        Warning::RepeatsLikeAaaAreEasyToGuess | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess => {
            "같은 글자나 단어를 반복하면 추측하기 쉽습니다."
        }
        Warning::ThisIsATop10Password | Warning::ThisIsATop100Password | Warning::ThisIsACommonPassword => {
            "아주 흔한 비밀번호입니다."
        }
        Warning::ThisIsSimilarToACommonlyUsedPassword => "흔한 비밀번호와 비슷합니다.",
        Warning::SequencesLikeAbcAreEasyToGuess => "abc나 6543처럼 이어지는 글자는 추측하기 쉽습니다.",
        Warning::RecentYearsAreEasyToGuess => "최근 연도는 추측하기 쉽습니다.",
        Warning::AWordByItselfIsEasyToGuess => "단어 하나만으로는 추측하기 쉽습니다.",
        Warning::DatesAreOftenEasyToGuess => "날짜는 추측하기 쉽습니다.",
        Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
        | Warning::CommonNamesAndSurnamesAreEasyToGuess => "이름과 성은 추측하기 쉽습니다.",
    }
}

fn notice(notice: Notice) -> (&'static str, Cow<'static, str>) {
    let (title, text) = match notice {
        Notice::Unavailable => (
            "잠시 후 다시 시도하세요",
            "지금은 서버가 응답할 수 없습니다. 잃어버린 것은 없습니다. 몇 초 후에 이 페이지를 새로 고치세요.",
        ),
        Notice::StartAgain => (
            "처음부터 다시 시작하세요",
            "이 주소는 직접 열 수 없습니다. 앱으로 돌아가서 다시 시작하세요.",
        ),
        Notice::NothingHere => ("페이지를 찾을 수 없습니다", "이전에 사용하던 앱으로 돌아가세요."),
        Notice::UnreadForm => (
            "요청을 읽을 수 없습니다",
            "보낸 내용이 이 서버의 양식이 아닙니다. 이전 페이지로 돌아가서 다시 시도하세요.",
        ),
        Notice::UnknownClient => (
            "등록되지 않은 앱입니다",
            "열었던 링크의 앱이 이 서버에 등록되어 있지 않습니다. 이전 페이지로 돌아가서 앱 운영자에게 알려 주세요.",
        ),
        Notice::UnknownRedirectUri => (
            "등록되지 않은 주소입니다",
            "앱에서 등록되지 않은 주소로 응답을 요청하여 아무것도 보내지 않았습니다. 이전 페이지로 돌아가서 앱 \
             운영자에게 알려 주세요.",
        ),
        Notice::RequestGone => (
            "더 이상 사용할 수 없는 링크입니다",
            "이미 사용되었거나 기한이 지났거나 다른 브라우저에서 연 링크입니다. 앱으로 돌아가서 처음부터 다시 시작하고, 이 \
             사이트의 쿠키를 허용해 주세요.",
        ),
        Notice::SignedOut => ("로그아웃되었습니다", "이 페이지를 닫아도 됩니다."),
        Notice::StillSignedIn => (
            "로그인이 유지됩니다",
            "변경된 것은 없습니다. 이 페이지를 닫아도 됩니다.",
        ),
        Notice::SignOutRefused(refusal) => {
            let text = format!(
                "{} 아직 로그인되어 있으며 아무것도 보내지 않았습니다.",
                sign_out_refused(refusal)
            );
            return ("로그아웃 요청을 처리할 수 없습니다", text.into());
        }
    };
    (title, text.into())
}

const fn sign_out_refused(refusal: LogoutRefusal) -> &'static str {
    match refusal {
        LogoutRefusal::Repeated => "같은 매개변수가 두 번 이상 전송되었습니다.",
        LogoutRefusal::UnknownClient => "앱이 이 서버에 등록되어 있지 않습니다.",
        LogoutRefusal::ForeignHint => "ID 토큰이 이 서버에서 발급되지 않았습니다.",
        LogoutRefusal::HintOfAnotherClient => "ID 토큰이 다른 앱에 발급되었습니다.",
        LogoutRefusal::UnknownReturnAddress => "돌아갈 주소가 앱에 등록되어 있지 않습니다.",
    }
}
