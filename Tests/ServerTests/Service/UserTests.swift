import Glibc
import Testing

extension NodeTests {
    /// Who the process is. Only root can become another user, so most of this needs root.
    @Suite struct User {
        private static let isRoot = geteuid() == 0

        /// A directory that `nobody` may enter.
        private func sharedDirectory() -> TemporaryDirectory {
            let directory = TemporaryDirectory()
            chmod(directory.path, 0o755)
            return directory
        }

        private func serve(_ data: String, _ flags: [String], asNobody: Bool = false) throws -> Finished {
            let arguments = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--admin_listen", "off"] + flags
            guard asNobody else { return try Finished(arguments) }
            return try Finished(
                ["--reuid", "65534", "--regid", "65534", "--clear-groups", edgeBinary] + arguments,
                of: "/usr/bin/setpriv")
        }

        @Test(.enabled(if: isRoot, "only root can become another user"), arguments: ["nobody", "nobody:daemon"])
        func becomesTheUser(user: String) throws {
            let directory = sharedDirectory()
            let secret = directory.write(String(repeating: "s3cr3t", count: 10), to: "secret")
            // A port that only root may bind, where the system still has such.
            let node = try RunningNode(
                ["--user", user, "--code_secret_file", secret, "--workers", "2"], in: directory)
            let (id, group) = (UInt32(65534), user.hasSuffix("daemon") ? UInt32(1) : UInt32(65534))
            for thread in try names(below: "/proc/\(node.child.pid)/task") {
                let status = try readText("/proc/\(node.child.pid)/task/\(thread)/status")
                func has(_ line: String) -> Bool { status.contains("\n" + line + "\n") }
                // Real, effective, saved and file system's; no groups, no rights, and none to be had.
                #expect(has("Uid:\t\(id)\t\(id)\t\(id)\t\(id)"), "\(status)")
                #expect(has("Gid:\t\(group)\t\(group)\t\(group)\t\(group)"), "\(status)")
                #expect(status.contains(try Regex("\nGroups:\t\(group)? ?\n")), "\(status)")
                for set in ["CapPrm", "CapEff", "CapInh", "CapAmb"] { #expect(has("\(set):\t0000000000000000")) }
                #expect(has("NoNewPrivs:\t1"))
            }
            var status = stat()
            #expect(stat(node.data, &status) == 0 && status.st_uid == id && status.st_gid == group)
            #expect(status.st_mode & 0o7777 == 0o700)
            #expect(stat(node.data + "/data.mdb", &status) == 0 && status.st_uid == id)
            let code = try node.connect().create("https://example.com/")
            #expect(!node.log.seen.contains { $0.contains("running-as-root") })
            #expect(node.stop() == .exited(0))
            // The directory is the user's now.
            let again = try node.restarted(["--user", user, "--code_secret_file", secret])
            #expect(try again.connect().get("/\(code)").status == 302)
        }

        /// Ports below 1024 are bound before root is given up, each worker's.
        @Test(.enabled(if: isRoot, "only root can become another user")) func lowPort() throws {
            let node = try RunningNode(
                ["--user", "nobody", "--workers", "2", "--listen", "127.0.0.1:\(try freeLowPort())"],
                in: sharedDirectory())
            #expect(node.port < 1024)
            for _ in 0..<10 { #expect(try node.connect().get("/health").status == 200) }
        }

        private func freeLowPort() throws -> UInt16 {
            for port in UInt16(600)..<1000 {
                let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
                defer { close(descriptor) }
                var address = sockaddr_in()
                address.sin_family = sa_family_t(AF_INET)
                address.sin_port = port.bigEndian
                address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
                let code = withUnsafeBytes(of: &address) {
                    bind(descriptor, $0.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t($0.count))
                }
                if code == 0 { return port }
            }
            throw HarnessError("no port below 1000 is free")
        }

        @Test(
            .enabled(if: isRoot, "only root can become another user"),
            arguments: [
                ("no-such-user", "there is no user no-such-user"),
                ("nobody:no-such-group", "there is no group no-such-group"),
                ("root", "it is root"), ("0", "there is no user 0"),
            ])
        func unknown(user: String, reason: String) throws {
            let directory = sharedDirectory()
            let outcome = try serve(directory.path + "/data", ["--user", user])
            #expect(outcome.ending == .exited(78) && outcome.error.contains(reason), "\(outcome.error)")
            #expect(access(directory.path + "/data", F_OK) != 0)
            let check = try Finished(["check", "--user", user])
            #expect(check.ending == .exited(78) && check.error.contains(reason) && check.output.isEmpty)
        }

        @Test(.enabled(if: isRoot, "only root can give files away")) func directoryOfAnother() throws {
            let directory = sharedDirectory()
            let data = directory.path + "/data"
            precondition(mkdir(data, 0o700) == 0 && chown(data, 1, 1) == 0)
            let outcome = try serve(data, ["--user", "nobody"])
            #expect(outcome.ending == .exited(78), "\(outcome.error)")
            #expect(outcome.error.contains("belongs to user 1, not to nobody"), "\(outcome.error)")
            #expect(try names(below: data).isEmpty)
        }

        @Test(.enabled(if: isRoot, "only root can start another user's process")) func withoutRoot() throws {
            let directory = sharedDirectory()
            let data = directory.path + "/data"
            precondition(mkdir(data, 0o700) == 0 && chown(data, 65534, 65534) == 0)
            let outcome = try serve(data, ["--user", "daemon"], asNobody: true)
            #expect(outcome.ending == .exited(78), "\(outcome.error)")
            #expect(outcome.error.contains("only root can become another user"), "\(outcome.error)")
            // Whoever is the user already need not be root.
            let node = try RunningNode(
                ["--user", "nobody"], in: directory,
                limits:
                    "set -- /usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups \"$0\" \"$@\"; set -- \"$@\"; "
                    + "exec \"$@\"; exit")
            #expect(try node.connect().get("/health").status == 200)
            #expect(!node.log.seen.contains { $0.contains("running-as-root") })
        }

        @Test(.enabled(if: isRoot, "root alone is warned")) func rootIsWarned() throws {
            let node = try RunningNode()
            #expect(node.log.seen.contains { $0.contains("level=warning event=running-as-root") })
        }

        /// Block lists are no secrets: who serves reads them, and not root.
        @Test(.enabled(if: isRoot, "only root can become another user")) func blockListsOfRoot() throws {
            let directory = sharedDirectory()
            let list = directory.write("evil.example", to: "list")
            let flags = ["--user", "nobody", "--block_lists", list]
            let check = try Finished(["check"] + flags)
            for run in [check, try serve(directory.path + "/data", flags)] {
                #expect(run.ending == .exited(78) && run.error.contains("\(list): Permission denied"), "\(run.error)")
            }
            chmod(list, 0o644)
            #expect(try Finished(["check"] + flags).ending == .exited(0))
        }

        /// A secret of a third user is refused, as root too; root's own and the user's are taken.
        @Test(
            .enabled(if: isRoot, "only root can give files away"),
            arguments: [
                (0 as uid_t, true), (65534, true), (1, false),
            ])
        func ownersOfSecrets(owner: uid_t, isTaken: Bool) throws {
            let directory = sharedDirectory()
            let secret = directory.write(String(repeating: "s", count: 40), to: "secret")
            chown(secret, owner, owner)
            let check = try Finished(["check", "--user", "nobody", "--code_secret_file", secret])
            #expect(check.ending == .exited(isTaken ? 0 : 78))
            #expect(check.error.contains("it belongs to user 1") != isTaken, "\(check.error)")
            let link = directory.path + "/link"
            symlink(secret, link)
            let linkedCheck = try Finished(["check", "--user", "nobody", "--code_secret_file", link])
            #expect(linkedCheck.ending == .exited(isTaken ? 0 : 78))
            if isTaken {
                let node = try RunningNode(["--user", "nobody", "--code_secret_file", link], in: directory)
                #expect(node.stop() == .exited(0))
            } else {
                let flags = ["--user", "nobody", "--code_secret_file", link]
                #expect(try serve(directory.path + "/data", flags).ending == .exited(78))
            }
        }
    }
}
