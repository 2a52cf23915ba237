"""Small in-memory stand-ins of the AWS services that the package calls.

Each takes the parameters of botocore's client as one mapping, gives what the client gives, and
raises botocore's own ``ClientError``. What a stand-in does not know it refuses loudly, so that a
package that grows cannot be silently misread. ``tests/simulation`` compares them with others.
"""
