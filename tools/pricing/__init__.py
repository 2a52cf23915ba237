"""What AWS asks for what this module uses: list prices, and the bill for counted units.

- ``prices``    one table of list prices: us-east-1, each with AWS's page
- ``bill``      ``Usage``: counted units, which can be added, multiplied, and paid
- ``dynamodb``  the size of an item, and the read and write units that it takes
"""
