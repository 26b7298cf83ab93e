// Origins: which web pages may use the server, by the Origin that their browser sends along (RFC
// 6454; Fetch standard, section 3.1).
//
// A program that is no browser sends none, and is let in: what it may do, its token says. A browser
// sends one with each upgrade and each request to another origin, and a page can not change it. No
// token is ever in a cookie, so a page of somebody else has none to use; the list keeps it from
// using the network that its victim's browser is in as well.
//
// What may use a server:
//   with a list              the origins in it, exactly; all of them if * is in it
//   without, with tokens     pages of the host that the request's Host names, on any port
//   without tokens           pages of loopback, and what is in a list

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/result.hpp"

namespace kontract::detail {

class Origins {
 public:
  Origins() = default;
  // Origins, scheme://host or scheme://host:port, or *, between commas or spaces.
  // Errors: invalid_request (which is none).
  static Result<Origins> parse(std::string_view list);

  bool lists(std::string_view origin) const;
  // `host` is the request's Host; `tokens`: nobody is let in without one.
  bool allows(std::string_view origin, std::string_view host, bool tokens) const;

 private:
  std::vector<std::string> listed_;  // in lower case, without a port that the scheme implies
  bool all_ = false;
};

}  // namespace kontract::detail
