import rich_click as click
@click.command("init")
def command(): "x"
