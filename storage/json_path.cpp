#include "storage/json_path.hpp"

namespace kontract {

const Json* find_path(const Json& object, std::string_view path) {
  if (!object.is_object()) return nullptr;
  if (const auto member = object.find(path); member != object.end()) return &*member;
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const auto member = object.find(path.substr(0, dot));
    if (member == object.end()) continue;
    if (const Json* found = find_path(*member, path.substr(dot + 1))) return found;
  }
  return nullptr;
}

Json* find_path(Json& object, std::string_view path) {
  return const_cast<Json*>(find_path(std::as_const(object), path));
}

Json take_path(Json& object, std::string_view path) {
  if (!object.is_object()) return nullptr;
  if (const auto member = object.find(path); member != object.end()) {
    Json taken = std::move(*member);
    object.erase(member);
    return taken;
  }
  for (std::size_t dot = path.find('.'); dot != path.npos; dot = path.find('.', dot + 1)) {
    const auto member = object.find(path.substr(0, dot));
    if (member == object.end()) continue;
    const std::string_view inside = path.substr(dot + 1);
    if (find_path(*member, inside) != nullptr) return take_path(*member, inside);
  }
  return nullptr;
}

bool place_path(Json& object, std::string_view path, Json value) {
  const std::size_t dot = path.find('.');
  const std::string name(path.substr(0, dot));
  if (dot == path.npos) {
    object[name] = std::move(value);
    return true;
  }
  const auto member = object.find(name);
  const bool room = member == object.end() || member->is_null();
  if (!room) {
    return member->is_object() && place_path(*member, path.substr(dot + 1), std::move(value));
  }
  Json inside = Json::object();
  place_path(inside, path.substr(dot + 1), std::move(value));
  object[name] = std::move(inside);
  return true;
}

}  // namespace kontract
