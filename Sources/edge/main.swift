import CIDN
import CLMDB
import FoundationEssentials
import Server

print(mdb_version(nil, nil, nil).map { String(cString: $0) } ?? "?", String(cString: idn2_check_version(nil)))
print(try JSONDecoder().decode([Int].self, from: Array("[1,2]".utf8).withUnsafeBytes { Data($0) }))
