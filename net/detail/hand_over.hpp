// hand_over: a connection that another server has accepted becomes one of ours.

#pragma once

#include <memory>
#include <string_view>

#include "net/detail/hub.hpp"

namespace kontract::detail {

// As Server::accept.
Status hand_over(const std::shared_ptr<Hub>& hub, int descriptor, std::string_view received);

}  // namespace kontract::detail
