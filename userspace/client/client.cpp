// SPDX-License-Identifier: BSD-2-Clause
#include "client/client.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>

#include "client/curl.hpp"
#include "http/events.hpp"

namespace ksms {
namespace {

using Clock = std::chrono::steady_clock;
using OnEvent = std::function<bool(const JobEvent&)>;

std::unexpected<Error> no_answer(const std::string& why) {
    return fail(Code::failed, "the answer of ksmsd cannot be read: " + why);
}

std::unexpected<Error> cannot_connect(int error, const std::string& path) {
    if (error == ENOENT || error == ECONNREFUSED)
        return fail_errno(error, "ksmsd is not running: connect to " + path,
                          "start it: systemctl start ksmsd");
    if (error == EACCES || error == EPERM)
        return fail_errno(error, "connect to ksmsd at " + path,
                          "members of the group ksms may: usermod -aG ksms USER, and log in again");
    if (error == EAGAIN)  // the listen queue is full: unix(7)
        return fail_errno(error, "ksmsd does not accept: connect to " + path, "try again later");
    return fail_errno(error, "connect to ksmsd at " + path);
}

Status check_path(const std::string& path) {
    constexpr auto most = sizeof(sockaddr_un::sun_path) - 1;
    if (!path.empty() && path.size() <= most) return {};
    return fail(Code::usage,
                fmt::format("the path of a Unix socket is 1 to {} bytes long: {}", most, path));
}

/// One request and its response.
class Exchange {
public:
    Exchange(const Curl& curl, const ClientOptions& options)
        : curl_(curl),
          options_(options),
          easy_(curl.easy_init(), curl.easy_cleanup),
          headers_(nullptr, curl.slist_free_all) {}
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    void header(const char* line) {
        if (auto* all = curl_.slist_append(headers_.get(), line)) {
            (void)headers_.release();
            headers_.reset(all);
        }
    }

    /// @param event  called for each event if the response is an event stream; may be empty
    Result<HttpResponse> run(const std::string& path, const std::string& method,
                             const std::string& target, const std::string& body, OnEvent event) {
        if (easy_ == nullptr) return fail_errno(ENOMEM, "ask ksmsd");
        event_ = std::move(event);
        set_up(path, method, target, body);
        const auto code = perform();
        if (over_) return response();
        if (is_full(code)) return cannot_connect(EAGAIN, path);
        if (code == CURLE_COULDNT_CONNECT) return cannot_connect(os_error(), path);
        if (code != CURLE_OK) return failure(code);
        if (streams_)
            return fail(Code::failed, "ksmsd ended the stream of events before the job's end",
                        "watch it again; or it was stopped: systemctl status ksmsd");
        return response();
    }

private:
    template <typename T>
    void set(CURLoption option, T value) {
        (void)curl_.easy_setopt(easy_.get(), option, value);
    }

    void set_up(const std::string& path, const std::string& method, const std::string& target,
                const std::string& body) {
        set(CURLOPT_UNIX_SOCKET_PATH, path.c_str());
        set(CURLOPT_URL, "http://ksmsd/");
        set(CURLOPT_REQUEST_TARGET, target.c_str());
        set(CURLOPT_CUSTOMREQUEST, method.c_str());
        if (method == "HEAD") set(CURLOPT_NOBODY, 1L);
        // Replace headers that libcurl would send.
        for (const char* line : {"Accept:", "Expect:", "Connection: close"}) header(line);
        if (!body.empty()) {
            header("Content-Type: application/json");
            set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
            set(CURLOPT_POSTFIELDS, body.data());
        }
        set(CURLOPT_HTTPHEADER, headers_.get());
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        // Ignore proxies of the environment and ~/.netrc.
        set(CURLOPT_PROXY, "");
        set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
        set(CURLOPT_PROTOCOLS_STR, "http");
        set(CURLOPT_FOLLOWLOCATION, 0L);
        set(CURLOPT_NOSIGNAL, 1L);
        set(CURLOPT_ERRORBUFFER, why_.data());
        set(CURLOPT_WRITEFUNCTION, &take);
        set(CURLOPT_WRITEDATA, this);
        set(CURLOPT_NOPROGRESS, 0L);
        set(CURLOPT_XFERINFOFUNCTION, &is_to_stop);
        set(CURLOPT_XFERINFODATA, this);
    }

    /// Repeats the request while the listen queue of the socket is full: the kernel does not report
    /// when there is room.
    CURLcode perform() {
        const auto connected = Clock::now() + options_.connect;
        while (true) {
            until_ = Clock::now() + options_.answer;
            const auto code = curl_.easy_perform(easy_.get());
            if (!is_full(code) || Clock::now() >= connected) return code;
            if (is_to_stop(this, 0, 0, 0, 0) != 0) return CURLE_ABORTED_BY_CALLBACK;
            ::poll(nullptr, 0, 20);
        }
    }

    /// libcurl reports no errno if connect(2) returned EAGAIN.
    [[nodiscard]] bool is_full(CURLcode code) const {
        return code == CURLE_COULDNT_CONNECT && os_error() == 0;
    }

    [[nodiscard]] int os_error() const {
        long error = 0;
        (void)curl_.easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
        return static_cast<int>(error);
    }

    /// Called on each event, after signals, and once a second.
    static int is_to_stop(void* data, curl_off_t /*size*/, curl_off_t /*got*/,
                          curl_off_t /*length*/, curl_off_t /*sent*/) {
        auto& self = *static_cast<Exchange*>(data);
        if (self.options_.stopped && self.options_.stopped())
            self.stopped_ = EINTR;
        else if (Clock::now() >= self.until_)
            self.stopped_ = ETIMEDOUT;
        return self.stopped_ != 0 ? 1 : 0;
    }

    static std::size_t take(const char* bytes, std::size_t one, std::size_t count, void* data) {
        auto& self = *static_cast<Exchange*>(data);
        const std::string_view piece(bytes, one * count);
        return self.taken(piece) ? piece.size() : 0;
    }

    bool taken(std::string_view piece) {
        if (event_ && is_stream()) return streamed(piece);
        if (piece.size() > options_.body - body_.size()) {
            too_long_ = "it is too long";
            return false;
        }
        body_ += piece;
        return true;
    }

    bool streamed(std::string_view piece) {
        streams_ = true;
        until_ = Clock::now() + options_.silence;
        const auto see = [&](const JobEvent& one) {
            if (!over_) over_ = !event_(one) || one.name == "end";
        };
        if (!reader_.feed(piece, see)) too_long_ = "an event is too long";
        return !over_ && too_long_.empty();
    }

    [[nodiscard]] long status() const {
        long status = 0;
        (void)curl_.easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        return status;
    }

    [[nodiscard]] std::string content_type() const {
        const char* type = nullptr;
        (void)curl_.easy_getinfo(easy_.get(), CURLINFO_CONTENT_TYPE, &type);
        return type == nullptr ? "" : type;
    }

    [[nodiscard]] bool is_stream() const {
        return status() == 200 && content_type() == "text/event-stream";
    }

    HttpResponse response() {
        HttpResponse response;
        response.status = static_cast<int>(status());
        response.content_type = content_type();
        for (curl_header* each = nullptr;
             (each = curl_.easy_nextheader(easy_.get(), CURLH_HEADER, -1, each)) != nullptr;)
            response.headers.emplace_back(each->name, each->value);
        response.body = std::move(body_);
        return response;
    }

    std::unexpected<Error> failure(CURLcode code) const {
        if (stopped_ == EINTR) return fail_errno(EINTR, "wait for ksmsd");
        if (stopped_ == ETIMEDOUT)
            return fail_errno(ETIMEDOUT, "ksmsd does not answer",
                              "see its log: journalctl -u ksmsd");
        if (!too_long_.empty()) return no_answer(too_long_);
        const bool broke_off = code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE ||
                               code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR;
        if (streams_ && broke_off)
            return fail(Code::failed, "ksmsd ended the stream of events before the job's end",
                        "watch it again; or it was stopped: systemctl status ksmsd");
        if (broke_off && status() == 0)
            return fail(Code::failed, "ksmsd closed the connection without an answer",
                        "ask again; or it ended: systemctl status ksmsd");
        if (broke_off) return no_answer("it ends in the middle");
        return no_answer(why_.front() != '\0' ? why_.data() : curl_.easy_strerror(code));
    }

    const Curl& curl_;
    const ClientOptions& options_;
    std::array<char, CURL_ERROR_SIZE> why_{};
    std::unique_ptr<CURL, decltype(Curl::easy_cleanup)> easy_;
    std::unique_ptr<curl_slist, decltype(Curl::slist_free_all)> headers_;
    Clock::time_point until_;
    OnEvent event_;
    EventReader reader_;
    std::string body_;
    std::string too_long_;
    int stopped_{0};       ///< EINTR, ETIMEDOUT
    bool streams_{false};  ///< the response is an event stream
    bool over_{false};     ///< no more events are wanted
};

}  // namespace

Result<HttpResponse> HttpClient::request(const std::string& method, const std::string& target,
                                         const std::string& body) const {
    KSMS_TRY(const auto* const curl, Curl::load());
    KSMS_CHECK(check_path(path_));
    return Exchange(*curl, options_).run(path_, method, target, body, {});
}

Result<HttpResponse> HttpClient::events(const std::string& target,
                                        const std::function<bool(const JobEvent&)>& event) const {
    KSMS_TRY(const auto* const curl, Curl::load());
    KSMS_CHECK(check_path(path_));
    return Exchange(*curl, options_).run(path_, "GET", target, {}, event);
}

Error HttpClient::error_of(const HttpResponse& response) {
    Error error;
    switch (response.status) {
        case 400:
        case 409:
        case 413: error.code = Code::usage; break;
        case 403: error.code = Code::not_allowed; break;
        case 404: error.code = Code::not_found; break;
        default: error.code = Code::failed;
    }
    const auto body = nlohmann::json::parse(response.body, nullptr, false);
    const auto text = [&](const char* key) {
        const bool there = body.is_object() && body.contains(key) && body[key].is_string();
        return there ? body[key].get<std::string>() : std::string();
    };
    error.message = text("detail").empty() ? text("title") : text("detail");
    if (error.message.empty()) error.message = "ksmsd answered " + std::to_string(response.status);
    error.hint = text("hint");
    return error;
}

}  // namespace ksms
