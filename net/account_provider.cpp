#include "net/account_provider.hpp"

#include <algorithm>

#include "storage/json.hpp"

namespace kontract {

Result<std::string> valid_login(std::string_view login) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; };
  if (login.empty() || login.size() > kLoginBytesMax || !is_utf8(login) ||
      std::any_of(login.begin(), login.end(), control)) {
    return Error(Errc::invalid_request,
                 "The login must have 1 to " + std::to_string(kLoginBytesMax) +
                     " bytes of UTF-8 without control characters",
                 "A name or an e-mail address.");
  }
  if (login.front() == ' ' || login.back() == ' ') {
    return Error(Errc::invalid_request, "The login begins or ends with a space",
                 "Leave it away: the login must be the same each time.");
  }
  std::string kept(login);
  for (char& c : kept) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return kept;
}

}  // namespace kontract
