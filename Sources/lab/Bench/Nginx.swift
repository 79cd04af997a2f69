import Glibc

/// An nginx of our own with one process, which answers every request over TLS with `return 302`.
final class Nginx {
    let name: String
    let process: ChildProcess
    let port: UInt16

    private static let location =
        "https://example.com/very/long/path/that/is/typical?utm_source=x&id=1234567"

    /// Nil if it is not installed; Debian's package is nginx-light.
    init?(in directory: String, _ certificate: SelfSignedCertificate, on processors: [Int]) throws {
        guard let program = findProgram("nginx") else { return nil }
        // It writes its version to standard error; the first line of that is all of it.
        let asked = try ChildProcess([program, "-v"], reading: .standardError)
        let version = try asked.readLine(with: "nginx/").split(separator: "/").last.map(String.init) ?? "?"
        name = "nginx \(version)"
        mkdir(directory, 0o700)
        port = try freePort()
        try writeTextFile(
            directory + "/nginx.conf",
            """
            daemon off; master_process off; pid \(directory)/pid; error_log \(directory)/error.log;
            worker_rlimit_nofile 65536;
            events { worker_connections 30000; }
            http {
                access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
                client_body_temp_path \(directory)/body; proxy_temp_path \(directory)/proxy;
                fastcgi_temp_path \(directory)/fastcgi; uwsgi_temp_path \(directory)/uwsgi;
                scgi_temp_path \(directory)/scgi;
                server {
                    listen 127.0.0.1:\(port) ssl backlog=4096;
                    ssl_certificate \(certificate.certificate); ssl_certificate_key \(certificate.key);
                    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets on;
                    location / { return 302 \(Self.location); }
                }
            }

            """)
        process = try ChildProcess([program, "-c", directory + "/nginx.conf", "-p", directory], on: processors)
        for _ in 0..<300 {
            if let descriptor = try? connectToLoopback(port) {
                close(descriptor)
                return
            }
            if process.hasEnded { break }
            usleep(20_000)
        }
        throw LabError("nginx does not start in \(directory)")
    }

    deinit { process.end(SIGTERM) }
}

/// A port of 127.0.0.1 that nobody had a moment ago.
private func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    defer { close(descriptor) }
    var address = loopback(0)
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
            bind(descriptor, address, size) | getsockname(descriptor, address, &size)
        }
    }
    guard code == 0 else { throw LabError("no port is free") }
    return UInt16(bigEndian: address.sin_port)
}
