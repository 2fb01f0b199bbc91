//! Who caused a request, this product's own page or another site: the fetch metadata headers and
//! `Origin` (OWASP, Cross-Site Request Forgery Prevention).

use lambda_http::Request;
use lambda_http::http::header::ORIGIN;

use crate::config::BaseUrl;

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
}

/// Whether another site made the browser navigate here (Fetch Metadata). Browsers without the header
/// pass: what this guards is started, never finished, by a navigation.
pub fn is_cross_site(request: &Request) -> bool {
    !matches!(header(request, "sec-fetch-site"), None | Some("same-origin" | "none"))
}

/// Whether a form was posted by this product's own page: `Origin`, `Sec-Fetch-Site`, or both say
/// so, and neither says otherwise. Every browser sends at least one of them with a POST.
pub(super) fn is_same_origin(request: &Request, base: &BaseUrl) -> bool {
    let origin = header(request, ORIGIN.as_str()).map(|origin| origin == base.origin());
    let site = header(request, "sec-fetch-site").map(|site| site == "same-origin");
    match (origin, site) {
        (None, None) => false,
        (origin, site) => origin.unwrap_or(true) && site.unwrap_or(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Env;
    use lambda_http::Body;

    fn request(headers: &[(&'static str, &str)]) -> Request {
        let mut request = Request::new(Body::Empty);
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    fn same_origin(headers: &[(&'static str, &str)]) -> bool {
        let env = Env::of_map([("BASE_URL".to_owned(), "https://shop.example".to_owned())].into());
        is_same_origin(&request(headers), &env.base_url().unwrap())
    }

    #[test]
    fn a_form_of_our_own_page_is_recognised_by_either_header() {
        assert!(same_origin(&[("origin", "https://shop.example")]));
        assert!(same_origin(&[("sec-fetch-site", "same-origin")]));
        assert!(same_origin(&[("origin", "https://shop.example"), ("sec-fetch-site", "same-origin")]));
    }

    #[test]
    fn a_form_of_another_site_is_refused() {
        assert!(!same_origin(&[]));
        assert!(!same_origin(&[("origin", "null")]));
        assert!(!same_origin(&[("origin", "https://shop.example.evil")]));
        assert!(!same_origin(&[("origin", "http://shop.example")]));
        assert!(!same_origin(&[("sec-fetch-site", "same-site")]));
        assert!(!same_origin(&[("origin", "https://shop.example"), ("sec-fetch-site", "cross-site")]));
    }

    #[test]
    fn a_cross_site_navigation_is_recognised() {
        assert!(is_cross_site(&request(&[("sec-fetch-site", "cross-site")])));
        assert!(is_cross_site(&request(&[("sec-fetch-site", "same-site")])));
        assert!(!is_cross_site(&request(&[("sec-fetch-site", "none")])));
        assert!(!is_cross_site(&request(&[])));
    }
}
