import CLMDB
import Server
import FoundationEssentials
import CIDN
print(mdb_version(nil,nil,nil).map { String(cString: $0) } ?? "?", String(cString: idn2_check_version(nil)))
print(try JSONDecoder().decode([Int].self, from: Array("[1,2]".utf8).withUnsafeBytes { Data($0) }))
